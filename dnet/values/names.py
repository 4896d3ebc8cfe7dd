"""What a name may look like: interface ids, devices, chains, ports and protocols.

Pure checks of what a user typed. Each returns the value in its canonical form or raises
UsageError with a message that says what is wrong and what would be right.
"""

from __future__ import annotations

from dnet.errors import UsageError, displayed, escaped

PROTOCOLS = ("tcp", "udp", "sctp")
HOST = "host"

OWN_CHAINS = frozenset(
    {"DNET-FORWARD", "DNET-USER", "DNET-LINK", "DNET-POSTROUTING", "DNET-PREROUTING", "DNET-INPUT"}
)
_BUILT_IN = frozenset({"INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING"})
_TARGETS = (
    "ACCEPT DROP QUEUE RETURN AUDIT BALANCE CHECKSUM CLASSIFY CLUSTERIP CONNMARK CONNSECMARK CT "
    "DNAT DNPT DSCP ECN HL HMARK IDLETIMER LED LOG MARK MASQUERADE MIRROR NETMAP NFLOG NFQUEUE "
    "NOTRACK RATEEST REDIRECT REJECT SAME SECMARK SET SNAT SNPT SYNPROXY TARPIT TCPMSS "
    "TCPOPTSTRIP TEE TOS TPROXY TRACE TTL ULOG"
)

_DIGITS = frozenset("0123456789")
_HEX = _DIGITS | frozenset("abcdefABCDEF")
_ALNUM = _DIGITS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_ID, _MOST_OF_ID = _ALNUM | frozenset("_.-"), 128
_CHAIN, _MOST_OF_CHAIN = _ALNUM | frozenset("_-"), 28
_DEVICE, _MOST_OF_DEVICE = _ALNUM | frozenset("_.@=,;~^#&$()[]{}<>?|*+-"), 15
_PLAIN = _ALNUM | frozenset("@%+=:,./_-")


def quoted(text: str) -> str:
    """`text` as an error message shows it: on one line, and not longer than is of use."""
    shown = "".join(map(escaped, text[:61]))
    return f"'{shown[:60]}…'" if len(shown) > 60 else f"'{shown}'"


def part_of(word: str, error: UsageError) -> UsageError:
    """An error about a part of a word, naming all of what was typed."""
    if quoted(word) in str(error):
        return error
    return error.with_message(f"{quoted(word)}: {error}")


def for_shell(word: str) -> str:
    """A word as the shell reads it back, on one line."""
    return in_quotes(word) if displayed(word) == word else _printed(word)


def in_quotes(word: str) -> str:
    """A word as the shell, and shlex.split, reads it back: in quotes where it has to be."""
    if word and _PLAIN.issuperset(word):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _printed(word: str) -> str:
    """A word with what would not print in it, by printf(1): every shell has that, and few $'…'."""
    shown = "".join(one if _is_verbatim(one) else _octal(one) for one in word)
    return f"\"$(printf -- '{shown}')\""


def _is_verbatim(one: str) -> bool:
    return " " <= one <= "~" and one not in "%'\\"


def _octal(one: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in one.encode(errors="surrogateescape"))


def interface_id(text: str) -> str:
    """An interface id: not `host`, which is the machine itself, and nothing like an address."""
    if not _consists_of(_ID, text, _MOST_OF_ID) or text[0] not in _ALNUM:
        raise UsageError(
            f"{quoted(text)} is not an interface id",
            "an id has 1 to 128 letters, digits, '_', '.' and '-'; first a letter or digit",
        )
    if text == HOST:
        raise UsageError("'host' is the machine itself, not an interface id", "name a container")
    if reads_as_address(text):
        raise UsageError(
            f"{quoted(text)} reads as an address, not as an interface id",
            "an id has a letter in it; to see whose an address is: dnet ip list",
        )
    return text


def digest(text: str) -> str:
    """Ten letters and digits that follow from a text, and as good as never from another one."""
    from _blake2 import blake2s  # Under hashlib, and loaded in a tenth of its time.

    return blake2s(text.encode(errors="surrogateescape"), digest_size=5).hexdigest()


def reads_as_address(text: str) -> bool:
    """Whether a target is meant as an address: digits with dots, or anything with a colon."""
    head, colon, tail = text.partition(":")
    if colon:
        return _HEX.issuperset(head) and all(one in _HEX or one in ":." for one in tail)
    return "." in text and all(one in _DIGITS or one == "." for one in text)


def device(text: str) -> str:
    """A network device's name by the kernel's rules (dev_valid_name, net/core/dev.c).

    Beyond those: no trailing '+', which iptables reads as "every device that begins so", and
    no leading '-' or '!', which no command line can carry.
    """
    if text in ("lo", "all", "default"):
        raise UsageError(f"{quoted(text)} is reserved by the kernel", "choose another name")
    if not _consists_of(_DEVICE, text, _MOST_OF_DEVICE) or text in (".", ".."):
        raise UsageError(
            f"{quoted(text)} is not a device name",
            "a device name has 1 to 15 bytes, without '/', ':', '%', quotes and white space",
        )
    if text.endswith("+"):
        raise UsageError(
            f"device name {quoted(text)} ends in '+', which iptables takes as a wildcard",
            "choose a name that ends otherwise",
        )
    if text.startswith("-"):
        raise UsageError(
            f"device name {quoted(text)} begins with '-'", "choose a name that begins otherwise"
        )
    return text


def namespace(text: str) -> str:
    """What may name a network namespace: its name, a path, or a pid.

    Control characters are refused, and what else ends a line: they come from no keyboard, and would
    go to every terminal that lists them.
    """
    if not text:
        raise UsageError("'' is not a name, path or pid of a network namespace", "ip netns list")
    if _has_control(text):
        raise UsageError(
            f"{quoted(text)} has a control character in it",
            "give another path of the namespace, such as /proc/PID/ns/net",
        )
    return text


def file_path(text: str) -> str:
    """The path of a file, from the root on, without a way back."""
    if not text.startswith("/") or text.endswith("/"):
        raise UsageError(f"{quoted(text)} is not an absolute path of a file")
    if _has_control(text):
        raise UsageError(f"{quoted(text)} has a control character in it", "choose another file")
    parts = [one for one in text.split("/") if one not in ("", ".")]
    if ".." in parts:
        raise UsageError(f"{quoted(text)} contains '..'", "give the path without '..'")
    return "/" + "/".join(parts)


def chain(text: str) -> str:
    """The name of an iptables chain of a bridge's own (XT_EXTENSION_MAXNAMELEN less one)."""
    if not _consists_of(_CHAIN, text, _MOST_OF_CHAIN) or text[0] == "-":
        raise UsageError(
            f"{quoted(text)} is not a chain name",
            "a chain name has 1 to 28 letters, digits, '_' and '-', and does not begin with '-'",
        )
    if text in _BUILT_IN or text in _TARGETS.split():
        raise UsageError(f"{text} is a built-in chain or target of iptables", "choose another name")
    if text in OWN_CHAINS:
        raise UsageError(f"{text} is a chain reserved by dnet", "choose another name")
    return text


def _has_control(text: str) -> bool:
    """Whether a control character is in a text, or what else ends a line."""
    return any(one < " " or "\x7f" <= one <= "\x9f" or one in "\u2028\u2029" for one in text)


def _consists_of(characters: frozenset[str], text: str, most: int) -> bool:
    """Whether a text has only these characters, at least one and no more than `most`."""
    return 1 <= len(text) <= most and characters.issuperset(text)


def is_number(text: str) -> bool:
    """Whether it is a whole number in ASCII digits: Python itself takes those of every script."""
    return text.isascii() and text.isdecimal()


def whole(text: str, low: int, high: int) -> int:
    """A whole number in plain decimal digits, not below one and not above another."""
    is_short = is_number(text) and len(text) <= len(str(high))
    if not is_short or not low <= int(text) <= high:
        raise UsageError(f"{quoted(text)} is not a number from {low} to {high}")
    return int(text)


def port(text: str) -> int:
    """A port number, 1 to 65535, in plain decimal digits."""
    if not is_number(text) or len(text) > 5 or not 1 <= int(text) <= 65535:
        raise UsageError(f"{quoted(text)} is not a port number", "ports go from 1 to 65535")
    return int(text)


def port_range(text: str) -> tuple[int, int]:
    """`LO-HI`, or one port, which is a range of one: first and last port."""
    low, dash, high = text.partition("-")
    first = port(low)
    last = port(high) if dash else first
    if last < first:
        raise UsageError(f"port range {quoted(text)} is reversed", f"write {last}-{first}")
    return first, last


def protocol(text: str) -> str:
    """One of tcp, udp and sctp; upper case is accepted."""
    if text.lower() not in PROTOCOLS:
        raise UsageError(f"unknown protocol {quoted(text)}", "use tcp, udp or sctp")
    return text.lower()


def port_proto(text: str) -> str:
    """`PORT[/PROTO]` as containers expose it: `5432/tcp`."""
    number, slash, proto = text.partition("/")
    try:
        return f"{port(number)}/{protocol(proto) if slash else 'tcp'}"
    except UsageError as error:
        raise part_of(text, error) from None


def split_port_proto(text: str) -> tuple[int, str]:
    """The two halves of a canonical `5432/tcp`."""
    number, _, proto = text.partition("/")
    return int(number), proto


def sort_ports(ports: set[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Without repetition, lowest port first, tcp before udp: the source's order of ports."""
    halves = sorted({split_port_proto(text) for text in ports}, key=_rank)
    return tuple(f"{number}/{proto}" for number, proto in halves)


def _rank(port_and_proto: tuple[int, str]) -> tuple[int, int]:
    number, proto = port_and_proto
    return number, PROTOCOLS.index(proto)


def child_alias(text: str) -> tuple[str, str | None]:
    """`CHILD[:ALIAS]`, as --link takes it."""
    child, colon, alias = text.partition(":")
    return interface_id(child), interface_id(alias) if colon else None
