"""One libtorrent 2.0 peer, driven by the test kit. One JSON object per line on stdout.

    libtorrent-peer.py peer TORRENT_OR_MAGNET DIR ADDRESS PORT [PEER...]     seeds or downloads, until SIGTERM
    libtorrent-peer.py hashes                                  torrents, one path per line on stdin -> their hashes
    libtorrent-peer.py create                                  jobs, one JSON object per line on stdin -> torrents
"""
import json
import os
import signal
import sys

try:
    import libtorrent as lt
except ImportError:
    sys.exit('python3-libtorrent is missing: apt-get install python3-libtorrent')


def say(**fields):
    print(json.dumps(fields), flush=True)


# who is taken in and dialled how (0 forced, 1 enabled, 2 disabled), and what is allowed after the handshake
# (1 plain, 2 RC4): see in_enc_policy and allowed_enc_level of libtorrent's settings
ENCRYPTION = {'none': (2, 3), 'allowed': (1, 3), 'rc4': (0, 2), 'plain': (0, 1)}


def session(address, port):
    policy, level = ENCRYPTION[os.environ.get('ENCRYPTION', 'none')]
    settings = {
        'listen_interfaces': '%s:%s' % (address, port), 'outgoing_interfaces': address,
        'enable_dht': False, 'enable_lsd': 'LOCAL_DISCOVERY' in os.environ, 'enable_upnp': False, 'enable_natpmp': False,
        'enable_incoming_utp': False, 'enable_outgoing_utp': False,
        'in_enc_policy': policy, 'out_enc_policy': policy, 'allowed_enc_level': level,
        'upload_rate_limit': int(os.environ.get('UPLOAD_LIMIT', 0)),
        'download_rate_limit': int(os.environ.get('DOWNLOAD_LIMIT', 0)),
        'allow_multiple_connections_per_ip': True,
        'min_reconnect_time': 1, 'aio_threads': 1, 'hashing_threads': 1,
        'alert_mask': lt.alert.category_t.status_notification | lt.alert.category_t.error_notification
        | lt.alert.category_t.peer_notification,
    }
    ses = lt.session(settings)
    # rate limits hold for local addresses too, which have a class of their own otherwise
    everybody = lt.ip_filter()
    everybody.add_rule('0.0.0.0', '255.255.255.255', 1 << lt.session.global_peer_class_id)
    ses.set_peer_class_filter(everybody)
    return ses


def parameters(source, folder):
    if source.startswith('magnet:'):
        p = lt.parse_magnet_uri(source)
    else:
        p = lt.add_torrent_params()
        p.ti = lt.torrent_info(source)
    p.save_path = folder
    p.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    return p


def peer(source, folder, address, port, *peers):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ses = session(address, port)
    handle = ses.add_torrent(parameters(source, folder))
    for endpoint in peers:
        host, _, number = endpoint.rpartition(':')
        handle.connect_peer((host, int(number)))
    finished = False
    while True:
        ses.wait_for_alert(100)
        for alert in ses.pop_alerts():
            name = alert.what()
            if name == 'listen_succeeded':
                say(event='listening', port=alert.port)
            elif name == 'torrent_checked':
                say(event='checked', progress=handle.status().progress)
            elif name == 'torrent_finished' or name == 'hash_failed' or 'error' in name or 'failed' in name:
                say(event=name, message=alert.message())
        if not finished and handle.status().is_seeding:
            finished = True
            say(event='seeding')


def hashes():
    for line in sys.stdin:
        path = line.rstrip('\n')
        try:
            info = lt.torrent_info(path)
        except RuntimeError as error:
            say(path=path, error=str(error))
            continue
        both = info.info_hashes()
        files = info.files()
        say(path=path,
            v1=str(both.v1) if both.has_v1() else None, v2=str(both.v2) if both.has_v2() else None,
            name=info.name(), pieceLength=info.piece_length(), pieces=info.num_pieces(),
            files=[{'path': files.file_path(i), 'length': files.file_size(i)} for i in range(files.num_files())
                   if not files.file_flags(i) & lt.file_storage.flag_pad_file])


def create():
    """A job is {path, pieceLength, format, align?, order?, output}; `order` lists the files as v1 is to have them."""
    for line in sys.stdin:
        job = json.loads(line)
        storage = lt.file_storage()
        if job.get('order'):
            name = os.path.basename(job['path'])
            for path in job['order']:
                stat = os.stat(os.path.join(job['path'], path))
                flags = lt.file_storage.flag_executable if stat.st_mode & 0o100 else 0
                storage.add_file(os.path.join(name, path), stat.st_size, flags)
        else:
            lt.add_files(storage, job['path'])
        flags = {'v1': lt.create_torrent.v1_only, 'v2': lt.create_torrent.v2_only, 'hybrid': 0}[job['format']]
        if job['format'] != 'v1' or job.get('align'):
            flags |= lt.create_torrent.canonical_files_no_tail_padding
        made = lt.create_torrent(storage, job['pieceLength'], flags)
        lt.set_piece_hashes(made, os.path.dirname(job['path']))
        raw = lt.bencode(made.generate())
        with open(job['output'], 'wb') as out:
            out.write(raw)
        both = lt.torrent_info(job['output']).info_hashes()
        say(path=job['path'], output=job['output'],
            v1=str(both.v1) if both.has_v1() else None, v2=str(both.v2) if both.has_v2() else None)


VERBS = {'peer': peer, 'hashes': hashes, 'create': create}
VERBS[sys.argv[1]](*sys.argv[2:])
