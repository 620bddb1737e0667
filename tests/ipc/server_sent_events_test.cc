// Framing of server-sent events, and where a client resumes.
#include "ipc/server_sent_events.h"

#include <gtest/gtest.h>

#include "ipc/event_lines.h"

namespace tcpeek::ipc {
namespace {

std::string framed(const std::string& lines) {
  std::string text;
  append_events(text, lines);
  return text;
}

TEST(ServerSentEvents, EachLineIsAnEventWithItsNumber) {
  EXPECT_EQ(framed("{\"event\":\"outcome\",\"boot\":\"b1\",\"seq\":7,\"x\":1}\n" +
                   at_line({"b1", 9}) + "\n"),
            "id: b1.7\ndata: {\"event\":\"outcome\",\"boot\":\"b1\",\"seq\":7,\"x\":1}\n\n"
            "id: b1.9\ndata: {\"boot\":\"b1\",\"at\":9}\n\n");
  EXPECT_EQ(framed(""), "");
}

TEST(ServerSentEvents, AGapHasNoNumber) {
  EXPECT_EQ(framed(gap_line(1, 5) + "\n"), "data: {\"gap\":{\"from\":1,\"to\":5}}\n\n");
}

TEST(ServerSentEvents, WhatSomebodyNamedIsNoNumber) {
  const std::string line =
      "{\"event\":\"change\",\"filter\":\"\\\"boot\\\":\\\"x\\\",\\\"seq\\\":1\"}";
  EXPECT_EQ(framed(line + "\n"), "data: " + line + "\n\n");
}

TEST(ServerSentEvents, TheHeadComesOnce) {
  int calls = 0;
  const StreamFill fill = as_events([&calls](std::string& piece) {
    if (++calls <= 2) piece += at_line({"b", 1}) + "\n";
  });
  std::string first;
  std::string second;
  std::string third;
  fill(first);
  fill(second);
  fill(third);
  EXPECT_TRUE(first.starts_with(event_stream_head())) << first;
  EXPECT_EQ(second, "id: b.1\ndata: {\"boot\":\"b\",\"at\":1}\n\n");
  EXPECT_EQ(third, "") << "nothing until there is more";
}

TEST(ServerSentEvents, ResumesBehindTheLastEvent) {
  EXPECT_EQ(resume_after("b1.7", "b1"), 8U);
  EXPECT_EQ(resume_after("b0.7", "b1"), 1U) << "of another boot: all that is kept";
  for (const char* id : {"", "b1", "b1.", "b1.x", "b1.7x", "b1.-1", "b1.99999999999999999999"}) {
    EXPECT_EQ(resume_after(id, "b1"), std::nullopt) << id;
  }
}

}  // namespace
}  // namespace tcpeek::ipc
