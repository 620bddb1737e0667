// The original's replies, compared with literal text.
#include "ipc/legacy_reply.h"

#include <gtest/gtest.h>

#include <limits>

namespace tcpeek::ipc {
namespace {

FilterStats filter(std::string name, std::uint64_t base = 0) {
  FilterStats stats;
  stats.name = std::move(name);
  Counts& c = stats.counts;
  if (base == 0) return stats;
  c[Tally::success] = base + 1;
  c[Tally::success_dup_syn] = base + 2;
  c[Tally::success_dup_synack] = base + 3;
  c[Tally::refused] = base + 4;
  c[Tally::aborted] = base + 5;
  c[Tally::timed_out_no_answer] = base + 6;
  c[Tally::timed_out_no_ack] = base + 7;
  c[Tally::unreachable] = base + 8;
  // None of these may show anywhere.
  for (const Tally t :
       {Tally::attempts, Tally::pending, Tally::evicted, Tally::uncertain, Tally::half_seen,
        Tally::late_proof, Tally::late_synack, Tally::failure_dup_syn, Tally::failure_dup_synack,
        Tally::success_dup_syn_segments, Tally::failure_dup_synack_segments}) {
    c[t] = 5'000'000;
  }
  return stats;
}

Snapshot with(std::vector<FilterStats> filters) {
  Snapshot snapshot;
  snapshot.filters = std::move(filters);
  return snapshot;
}

TEST(GetReply, NothingYet) {
  EXPECT_EQ(get_reply(with({filter("RX"), filter("TX")})),
            R"([{"RX":{"success":{"total":0,"dupsyn":0,"dupsynack":0},)"
            R"("failure":{"total":0,"timeout":0,"reject":0, "unreach":0}}},)"
            R"({"TX":{"success":{"total":0,"dupsyn":0,"dupsynack":0},)"
            R"("failure":{"total":0,"timeout":0,"reject":0, "unreach":0}}},)"
            R"({"pcap":{"stats":{"recv":0,"drop":0,"ifdrop":0}}}])");
}

TEST(GetReply, EachMemberInItsPlace) {
  Snapshot snapshot = with({filter("RX", 100), filter("TX", 200), filter("web", 300)});
  snapshot.packets.seen = 41;
  snapshot.packets.dropped = 7;
  snapshot.packets.in_ring = 999;
  snapshot.packets.delivered = 998;
  snapshot.interfaces.resize(2);
  snapshot.interfaces[0].if_dropped = 3;
  snapshot.interfaces[0].dropped = 1000;
  snapshot.interfaces[1].if_dropped = 2;
  EXPECT_EQ(get_reply(snapshot),
            R"([{"RX":{"success":{"total":101,"dupsyn":102,"dupsynack":103},)"
            R"("failure":{"total":530,"timeout":213,"reject":209, "unreach":108}}},)"
            R"({"TX":{"success":{"total":201,"dupsyn":202,"dupsynack":203},)"
            R"("failure":{"total":1030,"timeout":413,"reject":409, "unreach":208}}},)"
            R"({"web":{"success":{"total":301,"dupsyn":302,"dupsynack":303},)"
            R"("failure":{"total":1530,"timeout":613,"reject":609, "unreach":308}}},)"
            R"({"pcap":{"stats":{"recv":41,"drop":7,"ifdrop":5}}}])");
}

TEST(GetReply, CountsBeyond32Bits) {
  Snapshot snapshot = with({filter("RX")});
  snapshot.filters[0].counts[Tally::success] = std::numeric_limits<std::uint64_t>::max();
  snapshot.packets.seen = 18'446'744'073'709'551'614U;
  EXPECT_EQ(get_reply(snapshot),
            R"([{"RX":{"success":{"total":18446744073709551615,"dupsyn":0,"dupsynack":0},)"
            R"("failure":{"total":0,"timeout":0,"reject":0, "unreach":0}}},)"
            R"({"pcap":{"stats":{"recv":18446744073709551614,"drop":0,"ifdrop":0}}}])");
}

TEST(GetReply, NamesAreEscaped) {
  const std::string text =
      get_reply(with({filter("a\"b\\c\n{}\x01"), filter("\xe6\x97\xa5"), filter("bad\xff!")}));
  EXPECT_NE(text.find(R"({"a\"b\\c\n{}\u0001":{"success")"), std::string::npos) << text;
  EXPECT_NE(text.find("{\"\xe6\x97\xa5\":{\"success\""), std::string::npos) << text;
  EXPECT_NE(text.find("{\"bad\xef\xbf\xbd!\":{\"success\""), std::string::npos) << text;
}

TEST(RefreshReply, NothingYet) {
  RefreshMarks marks;
  EXPECT_EQ(marks.refresh_reply(with({filter("RX"), filter("TX")})),
            R"([{"RX":{"success":{"total":0,"dupsyn":0,"dupsynack":0},)"
            R"("failure":{"total":0,"timeout":0,"reject":0}}},)"
            R"({"TX":{"success":{"total":0,"dupsyn":0,"dupsynack":0},)"
            R"("failure":{"total":0,"timeout":0,"reject":0}}}])");
  EXPECT_EQ(marks.refresh_reply(with({})), "[]");
}

TEST(RefreshReply, TellsDifferencesWithUnreachInReject) {
  RefreshMarks marks;
  EXPECT_EQ(marks.refresh_reply(with({filter("RX", 100)})),
            R"([{"RX":{"success":{"total":101,"dupsyn":102,"dupsynack":103},)"
            R"("failure":{"total":530,"timeout":213,"reject":317}}}])");
  // 100 more of each: reject has three tallies, timeout two.
  EXPECT_EQ(marks.refresh_reply(with({filter("RX", 200)})),
            R"([{"RX":{"success":{"total":100,"dupsyn":100,"dupsynack":100},)"
            R"("failure":{"total":500,"timeout":200,"reject":300}}}])");
  EXPECT_EQ(marks.refresh_reply(with({filter("RX", 200)})),
            R"([{"RX":{"success":{"total":0,"dupsyn":0,"dupsynack":0},)"
            R"("failure":{"total":0,"timeout":0,"reject":0}}}])");
}

TEST(RefreshReply, MarksFollowTheNameNotThePlace) {
  RefreshMarks marks;
  static_cast<void>(
      marks.refresh_reply(with({filter("RX", 10), filter("a", 100), filter("b", 200)})));
  EXPECT_EQ(marks.refresh_reply(with({filter("RX", 10), filter("b", 201), filter("new", 300)})),
            R"([{"RX":{"success":{"total":0,"dupsyn":0,"dupsynack":0},)"
            R"("failure":{"total":0,"timeout":0,"reject":0}}},)"
            R"({"b":{"success":{"total":1,"dupsyn":1,"dupsynack":1},)"
            R"("failure":{"total":5,"timeout":2,"reject":3}}},)"
            R"({"new":{"success":{"total":301,"dupsyn":302,"dupsynack":303},)"
            R"("failure":{"total":1530,"timeout":613,"reject":917}}}])");
}

TEST(RefreshReply, AFilterCountedAnewIsNeverNegative) {
  RefreshMarks marks;
  static_cast<void>(marks.refresh_reply(with({filter("a", 1000)})));
  EXPECT_EQ(marks.refresh_reply(with({filter("a", 10)})),
            R"([{"a":{"success":{"total":11,"dupsyn":12,"dupsynack":13},)"
            R"("failure":{"total":80,"timeout":33,"reject":47}}}])");
}

TEST(RefreshReply, AnotherFilterOfTheSameNameIsCountedAnew) {
  RefreshMarks marks;
  static_cast<void>(marks.refresh_reply(with({filter("a", 10)})));
  FilterStats another = filter("a", 1000);
  another.since = 2;
  RefreshMarks untouched;
  EXPECT_EQ(marks.refresh_reply(with({another})), untouched.refresh_reply(with({another})));
}

TEST(RefreshReply, EachMemberThatFellMeansCountedAnew) {
  for (const Tally fell : {Tally::success, Tally::success_dup_syn, Tally::success_dup_synack,
                           Tally::timed_out_no_ack, Tally::aborted, Tally::unreachable}) {
    RefreshMarks marks;
    static_cast<void>(marks.refresh_reply(with({filter("a", 1000)})));
    FilterStats anew = filter("a", 1000);
    anew.counts[fell] = 0;
    RefreshMarks untouched;
    EXPECT_EQ(marks.refresh_reply(with({anew})), untouched.refresh_reply(with({anew})));
  }
}

TEST(RefreshReply, AFilterThatLeftIsForgotten) {
  RefreshMarks marks;
  static_cast<void>(marks.refresh_reply(with({filter("a", 10)})));
  static_cast<void>(marks.refresh_reply(with({})));
  EXPECT_EQ(marks.refresh_reply(with({filter("a", 10)})),
            R"([{"a":{"success":{"total":11,"dupsyn":12,"dupsynack":13},)"
            R"("failure":{"total":80,"timeout":33,"reject":47}}}])");
}

TEST(RefreshReply, GetDoesNotMoveTheMarks) {
  RefreshMarks marks;
  const Snapshot snapshot = with({filter("a", 10)});
  static_cast<void>(get_reply(snapshot));
  EXPECT_EQ(marks.refresh_reply(snapshot),
            R"([{"a":{"success":{"total":11,"dupsyn":12,"dupsynack":13},)"
            R"("failure":{"total":80,"timeout":33,"reject":47}}}])");
}

}  // namespace
}  // namespace tcpeek::ipc
