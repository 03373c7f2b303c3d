"""Keeps memory with a virtual machine whose host takes back what is free.

    python3 bench/kit/keep-memory.py GIB &

On such a machine the first write to a page that lay idle for seconds is four times as slow as the next, so
that figures of downloads scatter by 20 % and more. Only free blocks of 2 MiB are taken back: this program
touches GIB of memory, gives back all but one page of every 2 MiB, prints `ready` and sleeps; it holds 2 MiB
for each GIB. To be ended by its pid.
"""
import mmap
import signal
import sys

BLOCK = 2 << 20
PAGE = mmap.PAGESIZE

length = int(sys.argv[1]) << 30
memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
for at in range(0, length, PAGE):
    memory[at] = 1
for at in range(0, length, BLOCK):
    memory.madvise(mmap.MADV_DONTNEED, at + PAGE, BLOCK - PAGE)
print("ready", flush=True)
signal.pause()
