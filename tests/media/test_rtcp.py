"""RTCP as the translator reads and writes it, held against aiortc's own parser."""

from __future__ import annotations

import struct

import pytest
from aiortc import rtp as reference
from hypothesis import given
from hypothesis import strategies as st

from server.media import rtcp

sequences = st.integers(0, 0xFFFF)


@given(first=sequences, gaps=st.lists(st.integers(1, 40), max_size=60))
def test_nack_round_trip(first: int, gaps: list[int]):
    asked = [first]
    for gap in gaps:
        asked.append((asked[-1] + gap) & 0xFFFF)
    asked = list(dict.fromkeys(asked))
    data = rtcp.negative_acknowledgement(1, 2, asked)
    (packet,) = rtcp.parse(data)
    assert rtcp.nacked(packet) == (2, asked)
    (theirs,) = reference.RtcpPacket.parse(data)
    assert sorted({lost & 0xFFFF for lost in theirs.lost}) == sorted(asked)  # aiortc does not wrap


@given(bitrate=st.integers(0, 2**40))
def test_remb_is_never_more_and_hardly_less(bitrate: int):
    data = rtcp.allow_bitrate(1, 2, bitrate)
    (packet,) = rtcp.parse(data)
    read = rtcp.estimated_bitrate(packet)
    assert bitrate * (1 - 2**-17) - 1 <= read <= bitrate
    assert reference.unpack_remb_fci(reference.RtcpPacket.parse(data)[0].fci)[1] == [2]


def test_reports_are_read_by_aiortc():
    report = rtcp.ReceptionReport(7, 25, -3, 70000, 12, 99, 65536)
    (theirs,) = reference.RtcpPacket.parse(rtcp.receiver_report(5, [report]))
    assert (theirs.ssrc, theirs.reports[0].ssrc, theirs.reports[0].fraction_lost) == (5, 7, 25)
    assert (theirs.reports[0].packets_lost, theirs.reports[0].highest_sequence) == (-3, 70000)
    (theirs,) = reference.RtcpPacket.parse(rtcp.sender_report(5, 0x1122334455667788, 900, 4, 400))
    assert theirs.sender_info.ntp_timestamp == 0x1122334455667788
    assert theirs.sender_info.rtp_timestamp == 900
    (theirs,) = reference.RtcpPacket.parse(rtcp.picture_loss(5, 6))
    assert (theirs.fmt, theirs.media_ssrc) == (reference.RTCP_PSFB_PLI, 6)


def test_sender_info_of_a_sender_report():
    (packet,) = rtcp.parse(rtcp.sender_report(5, 1 << 63, 900, 4, 400))
    assert rtcp.sender_info(packet) == (5, 1 << 63, 900)
    assert rtcp.sender_info(rtcp.Packet(200, 0, b"short")) is None


def read_feedback(data: bytes) -> dict[int, int]:
    """{sequence number: arrival in ticks of 250 us since the reference time}, by the draft's text."""
    (packet,) = rtcp.parse(data)
    base, count, word = struct.unpack_from("!HHL", packet.body, 8)
    position, symbols = 16, []
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", packet.body, position)
        position += 2
        assert chunk >> 14 == 3
        symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
    ticks, found = (word >> 8) * 256, {}
    for index, symbol in enumerate(symbols[:count]):
        if symbol == 1:
            ticks += packet.body[position]
            position += 1
        elif symbol == 2:
            ticks += struct.unpack_from("!h", packet.body, position)[0]
            position += 2
        if symbol:
            found[(base + index) & 0xFFFF] = ticks
    return found


@given(
    first=st.integers(0, 70000),
    steps=st.lists(st.tuples(st.integers(1, 9), st.floats(-0.02, 0.2)), max_size=50),
    start=st.floats(1, 1e6),
)
def test_transport_feedback_says_when_each_packet_came(first, steps, start):
    arrivals = [(first, start)]
    for ahead, later in steps:
        arrivals.append((arrivals[-1][0] + ahead, arrivals[-1][1] + later))
    found = read_feedback(rtcp.transport_feedback(1, 2, arrivals, 3))
    assert list(found) == [number & 0xFFFF for number, _ in arrivals]
    for (_, arrival), ticks in zip(arrivals, found.values(), strict=True):
        assert ticks == pytest.approx(arrival / 0.00025, abs=2)


@given(data=st.binary(max_size=80))
def test_any_bytes_are_refused_or_read(data: bytes):
    try:
        packets = rtcp.parse(data)
    except ValueError:
        return
    for packet in packets:
        rtcp.nacked(packet)
        rtcp.sender_info(packet)
        rtcp.estimated_bitrate(packet)
