"""A libtorrent 2 peer for measurements: seeds what is there, downloads the rest, prints `complete` once it has all.

    libtorrent-peer.py TORRENT DIR ADDRESS PORT UPLOAD_BYTES_PER_SECOND        0 = no limit; runs until SIGTERM
"""
import os
import signal
import sys

import libtorrent as lt

torrent, folder, address, port, upload_limit = sys.argv[1:]
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

settings = dict(lt.high_performance_seed())
settings.update(
    listen_interfaces=f'{address}:{port}',
    outgoing_interfaces=address,
    allow_multiple_connections_per_ip=True,
    # peers come from the tracker, over plain TCP
    enable_dht=False,
    enable_lsd=False,
    enable_upnp=False,
    enable_natpmp=False,
    enable_incoming_utp=False,
    enable_outgoing_utp=False,
    out_enc_policy=int(lt.enc_policy.disabled),
    in_enc_policy=int(lt.enc_policy.disabled),
    alert_mask=int(lt.alert.category_t.status_notification | lt.alert.category_t.error_notification),
)
if int(upload_limit) > 0:
    # the many slots of a high performance seed would share a small rate too thinly
    settings.update(upload_rate_limit=int(upload_limit), choking_algorithm=0, unchoke_slots_limit=8)
session = lt.session(settings)

# By default addresses of this machine are exempt from limits; here they stand for the rest of the world.
ordinary = lt.ip_filter()
ordinary.add_rule('0.0.0.0', '255.255.255.255', 1 << lt.session.global_peer_class_id)
session.set_peer_class_filter(ordinary)

wanted = lt.add_torrent_params()
wanted.ti = lt.torrent_info(torrent)
wanted.save_path = folder
wanted.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
session.add_torrent(wanted)

while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_finished_alert):
            print('complete', flush=True)
        elif 'error' in alert.what():
            print(alert.what(), alert.message(), file=sys.stderr, flush=True)
