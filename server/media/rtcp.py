"""RTCP packets that a translator reads and writes (RFC 3550, RFC 4585, REMB, transport-wide feedback). Pure bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

SENDER_REPORT = 200
RECEIVER_REPORT = 201
TRANSPORT_FEEDBACK = 205  # RTPFB, RFC 4585 section 6.1
PAYLOAD_FEEDBACK = 206  # PSFB
NACK = 1  # RTPFB formats
TRANSPORT_WIDE = 15  # draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1
PLI = 1  # PSFB formats
FIR = 4
APPLICATION_LAYER = 15  # carries REMB (draft-alvestrand-rmcat-remb-03)

_HEADER = struct.Struct("!BBH")
_REPORT_BLOCK = struct.Struct("!LLLLLL")
_REMB_NAME = b"REMB"
_TICK = 0.00025  # seconds; one receive delta of transport-wide feedback is 250 us
_REFERENCE_TICKS = 256  # the reference time counts 64 ms = 256 ticks


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet of a compound: its type, its count or format field, and all after the first four bytes."""

    kind: int
    count: int
    body: bytes


def parse(data: bytes) -> list[Packet]:
    """The packets of a compound. Raises ValueError where lengths or the version do not agree."""
    packets: list[Packet] = []
    position = 0
    while position < len(data):
        if position + 4 > len(data):
            raise ValueError("RTCP packet is cut off")
        first, kind, words = _HEADER.unpack_from(data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            raise ValueError("RTCP header is wrong")
        body = data[position + 4 : end]
        if first & 0x20:
            padding = body[-1] if body else 0
            if not 0 < padding <= len(body):
                raise ValueError("RTCP padding is wrong")
            body = body[:-padding]
        packets.append(Packet(kind, first & 0x1F, body))
        position = end
    return packets


def sender_info(packet: Packet) -> tuple[int, int, int] | None:
    """(SSRC, 64-bit NTP time, RTP timestamp) of a sender report; None if it is cut off."""
    if len(packet.body) < 24:
        return None
    ssrc, ntp, timestamp = struct.unpack_from("!LQL", packet.body)
    return ssrc, ntp, timestamp


def answered_reports(packet: Packet) -> list[tuple[int, int, int]]:
    """(SSRC, the middle of its last sender report's NTP time, units of 1/65536 s since) of each block of a report."""
    start = 24 if packet.kind == SENDER_REPORT else 4
    blocks = range(start, len(packet.body) - _REPORT_BLOCK.size + 1, _REPORT_BLOCK.size)
    found = [_REPORT_BLOCK.unpack_from(packet.body, position) for position in blocks[: packet.count]]
    return [(ssrc, last, delay) for ssrc, _, _, _, last, delay in found if last]


def nacked(packet: Packet) -> tuple[int, list[int]] | None:
    """(media SSRC, sequence numbers asked for again) of a generic NACK; None if it is cut off."""
    body = packet.body
    if len(body) < 8 or len(body) % 4:
        return None
    sequences: list[int] = []
    for position in range(8, len(body), 4):
        first, mask = struct.unpack_from("!HH", body, position)
        sequences.append(first)
        sequences.extend((first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1)
    return struct.unpack_from("!L", body, 4)[0], sequences


def estimated_bitrate(packet: Packet) -> int | None:
    """Bits per second that a REMB message allows; None where the packet is not one."""
    body = packet.body
    if len(body) < 16 or body[8:12] != _REMB_NAME:
        return None
    exponent = body[13] >> 2
    mantissa = (body[13] & 0x03) << 16 | body[14] << 8 | body[15]
    return int(mantissa << exponent)


def _packet(count: int, kind: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


def sender_report(ssrc: int, ntp: int, timestamp: int, packets: int, octets: int) -> bytes:
    body = struct.pack("!LQLLL", ssrc, ntp, timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    return _packet(0, SENDER_REPORT, body)


@dataclass(frozen=True, slots=True)
class ReceptionReport:
    """One report block, RFC 3550 section 6.4.1. ``fraction_lost`` is 0..255."""

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    last_sender_report: int
    delay_since_sender_report: int


def receiver_report(ssrc: int, reports: Sequence[ReceptionReport]) -> bytes:
    blocks = b"".join(
        _REPORT_BLOCK.pack(
            report.ssrc,
            report.fraction_lost << 24 | (max(-0x800000, min(0x7FFFFF, report.packets_lost)) & 0xFFFFFF),
            report.highest_sequence & 0xFFFFFFFF,
            report.jitter & 0xFFFFFFFF,
            report.last_sender_report & 0xFFFFFFFF,
            report.delay_since_sender_report & 0xFFFFFFFF,
        )
        for report in reports
    )
    return _packet(len(reports), RECEIVER_REPORT, struct.pack("!L", ssrc) + blocks)


def negative_acknowledgement(ssrc: int, media_ssrc: int, sequences: Sequence[int]) -> bytes:
    """Generic NACK for sequence numbers in the order in which they were sent."""
    items = bytearray()
    position = 0
    while position < len(sequences):
        first = sequences[position]
        mask = 0
        position += 1
        while position < len(sequences):
            distance = (sequences[position] - first - 1) & 0xFFFF
            if distance > 15:
                break
            mask |= 1 << distance
            position += 1
        items += struct.pack("!HH", first, mask)
    return _packet(NACK, TRANSPORT_FEEDBACK, struct.pack("!LL", ssrc, media_ssrc) + bytes(items))


def picture_loss(ssrc: int, media_ssrc: int) -> bytes:
    return _packet(PLI, PAYLOAD_FEEDBACK, struct.pack("!LL", ssrc, media_ssrc))


def allow_bitrate(ssrc: int, media_ssrc: int, bits_per_second: int) -> bytes:
    """REMB for one stream."""
    exponent = max(0, bits_per_second.bit_length() - 18)  # the mantissa has 18 bits
    mantissa = bits_per_second >> exponent
    value = exponent << 18 | mantissa
    body = struct.pack("!LL", ssrc, 0) + _REMB_NAME + bytes((1,)) + value.to_bytes(3, "big")
    return _packet(APPLICATION_LAYER, PAYLOAD_FEEDBACK, body + struct.pack("!L", media_ssrc))


def transport_feedback(ssrc: int, media_ssrc: int, arrivals: Sequence[tuple[int, float]], count: int) -> bytes:
    """Transport-wide feedback for (sequence number not wrapped, arrival in seconds) pairs, sorted, not empty.

    Two-bit status vector chunks: 7 packets each (draft section 3.1.4); ``count`` numbers the feedback packets.
    """
    base, first_arrival = arrivals[0]
    total = arrivals[-1][0] - base + 1
    reference = int(first_arrival / _TICK) // _REFERENCE_TICKS
    previous = reference * _REFERENCE_TICKS
    symbols = bytearray(total)
    deltas = bytearray()
    for sequence, arrival in arrivals:
        ticks = int(arrival / _TICK)
        delta = ticks - previous
        if 0 <= delta <= 0xFF:
            symbols[sequence - base] = 1
            deltas.append(delta)
        else:
            symbols[sequence - base] = 2
            delta = max(-0x8000, min(0x7FFF, delta))
            deltas += struct.pack("!h", delta)
        previous += delta
    chunks = bytearray()
    for start in range(0, total, 7):
        chunk = 0xC000
        for place, symbol in enumerate(symbols[start : start + 7]):
            chunk |= symbol << (12 - 2 * place)
        chunks += struct.pack("!H", chunk)
    head = struct.pack("!LLHHL", ssrc, media_ssrc, base & 0xFFFF, total, (reference & 0xFFFFFF) << 8 | count & 0xFF)
    body = head + bytes(chunks) + bytes(deltas)
    padding = -len(body) % 4
    if padding:
        body += bytes(padding - 1) + bytes((padding,))
    header = (0xA0 if padding else 0x80) | TRANSPORT_WIDE
    return _HEADER.pack(header, TRANSPORT_FEEDBACK, len(body) // 4) + body
