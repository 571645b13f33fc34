"""Two terminals joined back to back, without a network: what one sends, the other gets, whatever happens between."""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import replace

import pytest

from server.media import rtcp, translator
from server.media.reception import FIRST_RETRY, LONGEST_RETRY, SHORTEST_RETRY
from server.media.streams import StreamParameters
from server.media.translator import Terminal

RTP = struct.Struct("!BBHLL")


class Wire:
    def __init__(self) -> None:
        self.rtp: list[bytes] = []
        self.rtcp: list[rtcp.Packet] = []

    def send_rtp(self, packet: bytes) -> None:
        self.rtp.append(packet)

    def send_rtcp(self, packet: bytes) -> None:
        self.rtcp += rtcp.parse(packet)

    def video(self) -> list[tuple[int, int, bytes]]:
        """(sequence, timestamp, payload) of the video packets sent, repetitions left out."""
        found = []
        for packet in self.rtp:
            first, second, sequence, timestamp, _ = RTP.unpack_from(packet)
            if second & 0x7F == 96:
                found.append((sequence, timestamp, packet[20 if first & 0x10 else 12 :]))
        return found

    def asked(self, kind: int, form: int) -> list[rtcp.Packet]:
        return [packet for packet in self.rtcp if (packet.kind, packet.count) == (kind, form)]


def agreed(base: int, transport_cc: int | None = None) -> dict[str, StreamParameters]:
    return {
        "audio": StreamParameters(48000, 111, None, None, None, base, None, base + 10, base + 11),
        "video": StreamParameters(90000, 96, 97, 2, transport_cc, base + 1, base + 2, base + 20, base + 21),
    }


def terminal(base: int, transport_cc: int | None = None) -> tuple[Terminal, Wire]:
    wire = Wire()
    return Terminal(wire, agreed(base, transport_cc)), wire


def packet(base: int, sequence: int, timestamp: int, payload: bytes, payload_type: int = 96, ssrc: int = 1) -> bytes:
    return RTP.pack(0x80, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, base + ssrc) + payload


@pytest.fixture
async def joined():
    (one, one_wire), (other, other_wire) = terminal(100), terminal(200)
    translator.connect(one, other)
    yield one, one_wire, other, other_wire
    one.close()
    other.close()


async def test_packets_keep_order_distance_and_content(joined):
    one, _, _, wire = joined
    for index in (0, 1, 3, 2, 4):
        one.on_rtp(packet(100, 65534 + index, 0xFFFFFF00 + 3000 * index, bytes((0x80, index))))
    sent = wire.video()
    first, stamp = sent[0][0], sent[0][1]
    assert [(s - first) & 0xFFFF for s, _, _ in sent] == [0, 1, 3, 2, 4]
    assert [(t - stamp) & 0xFFFFFFFF for _, t, _ in sent] == [0, 3000, 9000, 6000, 12000]
    assert [payload[1] for *_, payload in sent] == [0, 1, 3, 2, 4]
    assert first < 0x8000


async def test_a_loss_is_asked_for_upstream_and_answered_downstream(joined):
    one, one_wire, other, other_wire = joined
    for number in (10, 11, 13):
        one.on_rtp(packet(100, number, 3000, bytes((0x80, number))))
    assert [rtcp.nacked(asked) for asked in one_wire.asked(205, 1)] == [(101, [12])]
    one.on_rtp(packet(100, 700, 3000, struct.pack("!H", 12) + bytes((0x80, 12)), payload_type=97, ssrc=2))
    sent = other_wire.video()
    assert [payload[1] for *_, payload in sent] == [10, 11, 13, 12]
    other.on_rtcp(rtcp.negative_acknowledgement(1, 220, [sent[1][0], sent[3][0], sent[0][0] - 9 & 0xFFFF]))
    repeated = [p for p in other_wire.rtp if p[1] & 0x7F == 97]
    assert [p[-1] for p in repeated] == [11, 12]
    assert [struct.unpack_from("!H", p, 20)[0] for p in repeated] == [sent[1][0], sent[3][0]]
    assert {RTP.unpack_from(p)[4] for p in repeated} == {221}


async def test_a_second_loss_does_not_wait_for_the_first_to_be_asked_again(joined):
    one, wire, _, _ = joined
    for number in (10, 12, 14):
        one.on_rtp(packet(100, number, 3000, bytes((0x80, number))))
    assert [rtcp.nacked(asked) for asked in wire.asked(205, 1)] == [(101, [11]), (101, [13])]


async def test_a_frame_whose_end_does_not_come_is_asked_for_when_the_voice_goes_on(joined):
    one, wire, _, _ = joined
    for number in (10, 12):
        one.on_rtp(packet(100, number, 3000, bytes((0x80, number))))
    await asyncio.sleep(0.03)
    one.on_rtp(packet(100, 1, 960, b"voice", payload_type=111, ssrc=0))
    assert rtcp.nacked(wire.asked(205, 1)[0])[1] == [11]
    assert 13 in rtcp.nacked(wire.asked(205, 1)[-1])[1]


async def test_what_stays_missing_is_asked_for_again_after_a_round_trip(joined):
    one, one_wire, other, _ = joined
    assert one.incoming["video"].reception.retry == FIRST_RETRY
    other.on_rtp(packet(200, 1, 1000, b"\x80\x01"))
    since = time.monotonic()
    other.on_rtcp(rtcp.sender_report(201, 0x1234_5678_9ABC_DEF0, 1000, 1, 1))
    assert len(one_wire.asked(200, 0)) == 1
    answered = rtcp.ReceptionReport(120, 0, 0, 0, 0, 0x5678_9ABC, 0)
    await asyncio.sleep(0.1)
    one.on_rtcp(rtcp.receiver_report(101, [answered]))
    assert 0.1 <= one.incoming["video"].reception.retry <= min(LONGEST_RETRY, time.monotonic() - since)
    one.on_rtcp(rtcp.receiver_report(101, [replace(answered, delay_since_sender_report=0x10000)]))
    assert one.incoming["video"].reception.retry == SHORTEST_RETRY


async def test_a_packet_that_came_twice_goes_once(joined):
    one, _, _, wire = joined
    for number in (10, 10, 11, 10):
        one.on_rtp(packet(100, number, 3000, bytes((0x80, number))))
    assert len(wire.video()) == 2


async def test_another_source_follows_without_a_jump(joined):
    one, _, other, wire = joined
    for number in range(5):
        one.on_rtp(packet(100, 60000 + number, 90000 * number, bytes((0x80, number))))
    before = wire.video()[-1]
    translator.part(one, other)
    one.on_rtp(packet(100, 60005, 0, b"\x80\x09"))
    again, _ = terminal(300)
    translator.connect(again, other)
    for number in (7, 6, 8):
        again.on_rtp(packet(300, number, 123456 + number, bytes((0x80, number))))
    after = wire.video()[5:]
    assert [payload[1] for *_, payload in after] == [7, 8]  # 6 would have taken a number that was used
    assert [(sequence - before[0]) & 0xFFFF for sequence, *_ in after] == [1, 2]
    assert (after[0][1] - before[1]) & 0xFFFFFFFF < 90000
    again.close()


async def test_a_new_ssrc_of_the_same_browser_follows_too(joined):
    one, _, _, wire = joined
    one.on_rtp(packet(100, 500, 1000, b"\x80\x01"))
    one.on_rtp(packet(100, 40000, 77, b"\x80\x02", ssrc=55))
    (first, _, _), (second, _, payload) = wire.video()
    assert (second - first) & 0xFFFF == 1
    assert payload == b"\x80\x02"


async def test_key_frames_are_asked_for_at_join_and_not_too_often(joined):
    _, one_wire, other, _ = joined
    for _ in range(20):
        other.on_rtcp(rtcp.picture_loss(1, 220))
    assert len(one_wire.asked(206, 1)) == 1
    await asyncio.sleep(translator.KEY_FRAME_INTERVAL + 0.1)
    assert len(one_wire.asked(206, 1)) == 2


@pytest.mark.parametrize(("begins", "asked"), [("before", 2), ("after", 1)])
async def test_a_key_frame_that_came_after_the_request_is_not_asked_for_again(joined, begins: str, asked: int):
    one, one_wire, other, _ = joined
    key_frame = packet(100, 1, 3000, b"\x10\x00\x00\x00\x9d\x01\x2a\x80\x02\xe0\x01")
    if begins == "before":
        one.on_rtp(key_frame)
    other.on_rtcp(rtcp.picture_loss(1, 220))
    if begins == "after":
        one.on_rtp(key_frame)
    await asyncio.sleep(translator.KEY_FRAME_INTERVAL + 0.1)
    assert one.incoming["video"].size == (640, 480)
    assert len(one_wire.asked(206, 1)) == asked


async def test_the_sender_hears_what_the_receiver_can_take(joined):
    _, one_wire, other, _ = joined
    other.on_rtcp(rtcp.allow_bitrate(1, 220, 250_000))
    assert [rtcp.estimated_bitrate(p) for p in one_wire.asked(206, 15)][-1] == 250_000


async def test_the_slowest_of_several_receivers_counts_down_to_a_floor(joined):
    one, one_wire, other, _ = joined
    third, _ = terminal(300)
    translator.carry(one, third, least=300_000)

    def told() -> int:
        return [rtcp.estimated_bitrate(p) for p in one_wire.asked(206, 15)][-1]

    for receiver, takes, heard in ((other, 900_000, 900_000), (third, 500_000, 500_000), (third, 50_000, 300_000)):
        receiver.on_rtcp(rtcp.allow_bitrate(1, 220, takes))
        assert told() == heard
    other.on_rtcp(rtcp.allow_bitrate(1, 220, 100_000))
    assert told() == 100_000
    translator.part(one, other)
    assert told() == 300_000
    one.on_rtp(packet(100, 1, 3000, b"\x90\x80\x01abc"))
    assert third.outgoing["video"].packets == 1
    assert other.outgoing["video"].packets == 0
    third.close()


async def test_the_clock_of_the_sender_reaches_the_receiver(joined):
    one, _, _, wire = joined
    one.on_rtp(packet(100, 1, 1000, b"\x80\x01"))
    one.on_rtcp(rtcp.sender_report(101, 1 << 40, 4000, 1, 1))
    (report,) = wire.asked(200, 0)
    assert rtcp.sender_info(report) == (220, 1 << 40, (wire.video()[0][1] + 3000) & 0xFFFFFFFF)


async def test_reports_go_back_to_the_sender(joined, monkeypatch):
    one, wire, _, _ = joined
    for number in (10, 11, 12, 14):
        one.on_rtp(packet(100, number, 3000, b"\x80\x01"))
    one._report_timer.cancel()
    one._report()
    (report,) = wire.asked(201, 1)
    ssrc, lost, highest = struct.unpack_from("!LLL", report.body, 4)
    assert (ssrc, lost >> 24, lost & 0xFFFFFF, highest) == (101, 256 // 5, 1, 14)


async def test_transport_feedback_follows_the_packets():
    one, wire = terminal(100, transport_cc=3)
    for number in (1, 2, 4):
        extension = b"\xbe\xde\x00\x01" + bytes((0x31,)) + struct.pack("!H", number) + b"\0"
        one.on_rtp(RTP.pack(0x90, 96, number, 0, 101) + extension + b"\x80\x01")
    await asyncio.sleep(translator.FEEDBACK_INTERVAL + 0.1)
    (feedback,) = wire.asked(205, 15)
    assert struct.unpack_from("!HH", feedback.body, 8) == (1, 4)
    one.close()


@pytest.mark.parametrize("length", [0, 11, 12, 13, 16, 20, 24])
async def test_damaged_packets_are_dropped(joined, length):
    one, _, other, wire = joined
    for first in (0x80, 0x9F, 0xBF, 0xB0, 0x90):
        raw = RTP.pack(first, 96, 5, 1, 101) + b"\xbe\xde\xff\xff" + bytes((0x3F,)) * 8
        one.on_rtp(raw[:length])
        one.on_rtp(RTP.pack(first, 97, 5, 1, 102) + raw[12:length])
        other.on_rtcp(raw[:length])
    assert all(len(sent) > 12 for sent in wire.rtp)


async def test_closing_stops_every_timer(joined):
    one, wire, *_ = joined
    one.on_rtp(packet(100, 1, 1000, b"\x80\x01"))
    one.on_rtp(packet(100, 9, 1000, b"\x80\x01"))
    one.close()
    before = len(wire.rtcp)
    await asyncio.sleep(0.2)
    assert len(wire.rtcp) == before
