"""Transactions of netfilter's over dnet's netlink socket."""

from __future__ import annotations

from tests.host import Host
from tests.real.inside import inside

CODE = """
import errno
from dnet.host import nlsocket
from dnet.host.probe import nftowned as nft

def made(socket, *messages):
    try:
        socket.transact(nft.RESOURCE, messages)
    except OSError as error:
        return errno.errorcode[error.errno]
    return ""

def tables():
    kind = 10 << 8 | 1  # NFT_MSG_GETTABLE
    found = nlsocket.dump(nlsocket.NETFILTER, kind, nlsocket.ABOUT.pack(nft.INET, 0, 0))
    return [nlsocket.attributes(one, 4)[1].rstrip(b"\\0").decode() for one in found]

one, other = nft.table(nft.INET, "one"), nft.table(nft.INET, "other")
astray = nft.rule(nft.INET, "one", "nowhere")
with nlsocket.Socket(nlsocket.NETFILTER) as socket:
    result = [made(socket, one, astray, other), tables(), made(socket, other), tables()]
result += [tables()]
"""


def test_all_of_a_transaction_is_done_or_nothing_and_the_next_one_is_not_confused(
    host: Host,
) -> None:
    assert inside(host, CODE) == ["ENOENT", [], "", ["other"], []]
