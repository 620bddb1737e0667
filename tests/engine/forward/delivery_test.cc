// From the window into the stream, by a broker that is slow, refuses, or says nothing.
#include "engine/forward/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/forward/converter.h"
#include "engine/output/line_writer.h"
#include "tests/engine/base/text_file.h"
#include "tests/engine/forward/fake_broker.h"
#include "tests/engine/forward/forward_support.h"

namespace tcpeek::forward {
namespace {

using namespace std::chrono_literals;
using test::FakeBroker;
using test::Published;
using test::stored_at;
using Clock = Delivery::Clock;

std::string silence(const Published& /*message*/) {
  return {};
}

// A forwarder without its source.
class Rig {
 public:
  explicit Rig(std::vector<std::string> servers) : options_(options_for(std::move(servers))) {
    converter.move_to({std::string(kBoot), 0}, {});
  }

  void tell(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t seq = from; seq <= to; ++seq) converter.take(outcome_line(seq), {});
  }
  // Turns until that is so. False: it took too long.
  bool turn_until(const std::function<bool()>& done) {
    for (const auto end = Clock::now() + 10s; Clock::now() < end;) {
      wake_.clear();
      delivery.turn(Clock::now());
      if (done()) return true;
      pollfd polled{wake_.descriptor(), POLLIN, 0};
      ::poll(&polled, 1, 20);
    }
    return false;
  }
  bool has_said(const std::string& text) const { return said().find(text) != std::string::npos; }
  [[nodiscard]] std::string said() const { return file_.text(); }

 private:
  static ForwardOptions options_for(std::vector<std::string> servers) {
    ForwardOptions options;
    options.host = "h";
    options.broker.servers = std::move(servers);
    return options;
  }

  const ForwardOptions options_;
  const engine::test::TextFile file_;
  engine::LineWriter writer_{file_.descriptor()};
  engine::Log log_{writer_, LOG_NOTICE, false, "tcpeek-forward"};
  engine::EventFd wake_;

 public:
  bool stops = false;
  Window window{{}};
  Presence presence;
  Counters counters;
  Converter converter{{.host = "h", .redactor = {}}, window, presence, counters};
  Delivery delivery{
      options_, converter, 0, window, presence, counters, log_, wake_, [this] { return stops; }};
};

TEST(DeliveryTest, SaysWhereItIsConnectedWithoutThePassword) {
  const FakeBroker broker(silence);
  Rig rig({"nats://me:s3cret@" + broker.authority()});
  EXPECT_TRUE(rig.turn_until([&] { return rig.delivery.has_synced(); })) << rig.said();
  EXPECT_TRUE(rig.has_said("connected to 'nats://" + broker.authority() + "': 0 messages"))
      << rig.said();
  EXPECT_FALSE(rig.has_said("s3cret"));
}

TEST(DeliveryTest, WaitsForAcknowledgementsFromWhenItHasConnected) {
  const FakeBroker broker(silence);
  Rig rig({broker.url()});
  rig.tell(1, 2);
  rig.delivery.turn(Clock::now() - 60s);  // connecting, and asking for the stream, took a minute
  EXPECT_EQ(rig.window.in_flight(), 2U) << rig.said();
  rig.delivery.turn(Clock::now());
  EXPECT_EQ(rig.window.in_flight(), 2U);
  EXPECT_FALSE(rig.has_said("not been acknowledged")) << rig.said();
}

TEST(DeliveryTest, TellsWhatIsNotPermitted) {
  FakeBroker broker(silence);
  Rig rig({broker.url()});
  ASSERT_TRUE(rig.turn_until([&] { return rig.delivery.has_synced(); })) << rig.said();
  broker.complain(R"(Permissions Violation for Publish to "tcpeek.events.h.success")");
  rig.tell(1, 1);
  ASSERT_TRUE(rig.turn_until([&] { return broker.published().size() == 1; }));
  ::poll(nullptr, 0, 200);  // until libnats has read it
  rig.delivery.turn(Clock::now() + 11s);
  EXPECT_TRUE(
      rig.has_said("1 messages have not been acknowledged for 10 seconds: Permissions "
                   "Violation for Publish to \"tcpeek.events.h.success\"; trying again"))
      << rig.said();
  EXPECT_TRUE(rig.has_said("s and then at least every 15 s")) << rig.said();
}

// Stores what is published, but for what `refuses` says, in the order of the sequences.
class Storing {
 public:
  using Refuses = std::function<std::string(const Published&)>;
  explicit Storing(Refuses refuses) : refuses_(std::move(refuses)) {}

  std::string operator()(const Published& message) {
    const std::string refusal = refuses_(message);
    return refusal.empty() ? stored_at(++last_) : refusal;
  }

 private:
  Refuses refuses_;
  std::uint64_t last_ = 0;
};

std::vector<std::string> ids_of(const std::vector<Published>& messages) {
  std::vector<std::string> ids;
  for (const Published& message : messages) ids.push_back(message.id.substr(19));
  return ids;
}

TEST(DeliveryTest, WhatTheStreamFindsTooLargeIsToldInAGap) {
  const FakeBroker broker(Storing([](const Published& message) -> std::string {
    const bool large = message.payload.find("timeout") != std::string::npos;
    return large ? test::refused(10054, "message size exceeds maximum allowed") : "";
  }));
  Rig rig({broker.url()});
  rig.tell(1, 1);
  rig.converter.take(outcome_line(2, "timeout"), {});
  rig.tell(3, 3);
  rig.converter.take(outcome_line(4, "timeout"), {});
  ASSERT_TRUE(rig.turn_until([&] { return rig.window.empty(); })) << rig.said();
  EXPECT_THAT(ids_of(broker.published()), testing::ElementsAre("1", "2", "3", "4", "2..2", "4..4"));
  EXPECT_EQ(broker.published()[4].subject, "tcpeek.events.h.gap");
  EXPECT_EQ(broker.published()[4].payload,
            R"({"gap":{"from":2,"to":2},"boot":"0123456789abcdef","host":"h"})");
  EXPECT_EQ(rig.window.progress().position, (Position{std::string(kBoot), 4}));
  EXPECT_EQ(rig.counters.events_lost, 2U);
  EXPECT_EQ(rig.counters.gaps, 2U);
  EXPECT_EQ(rig.counters.messages_rejected, 2U);
  EXPECT_TRUE(rig.has_said("'h-0123456789abcdef-2', of ")) << rig.said();
  EXPECT_TRUE(
      rig.has_said(" is told in a gap instead: message size exceeds maximum allowed; raise "
                   "the stream's max_msg_size\n"));
  EXPECT_FALSE(rig.has_said("abcdef-4")) << "once a minute is enough";
}

TEST(DeliveryTest, WhatTheBrokerFindsTooLargeIsToldInAGap) {
  const FakeBroker broker(Storing([](const Published&) { return ""; }), 0, 300);
  Rig rig({broker.url()});
  rig.tell(1, 2);
  ASSERT_TRUE(rig.turn_until([&] { return rig.window.empty(); })) << rig.said();
  EXPECT_THAT(ids_of(broker.published()), testing::ElementsAre("1..1", "2..2"));
  EXPECT_TRUE(rig.has_said("the broker takes none so large; raise its max_payload\n"));
}

TEST(DeliveryTest, AGapThatIsRefusedStaysOne) {
  int refusals = 3;
  const FakeBroker broker(Storing([&](const Published&) -> std::string {
    return refusals-- > 0 ? test::refused(10054, "too large") : "";
  }));
  Rig rig({broker.url()});
  rig.tell(1, 1);
  ASSERT_TRUE(rig.turn_until([&] { return rig.window.empty(); })) << rig.said();
  EXPECT_THAT(ids_of(broker.published()), testing::ElementsAre("1", "1..1", "1..1", "1..1"));
  EXPECT_EQ(rig.counters.gaps, 1U);
}

TEST(DeliveryTest, AfterARefusalOneAtATimeAndTheReasonOnce) {
  int refusals = 6;
  const FakeBroker broker(Storing([&](const Published&) -> std::string {
    return refusals-- > 0 ? test::refused(10077, "maximum bytes exceeded") : "";
  }));
  Rig rig({broker.url()});
  rig.tell(1, 3);
  ASSERT_TRUE(rig.turn_until([&] { return rig.window.empty(); })) << rig.said();
  EXPECT_THAT(ids_of(broker.published()),
              testing::ElementsAre("1", "2", "3", "1", "1", "1", "1", "2", "3"));
  EXPECT_EQ(broker.connections(), 1);
  const std::string said = rig.said();
  const std::string reason = "a message was refused: maximum bytes exceeded";
  ASSERT_NE(said.find(reason), std::string::npos) << said;
  EXPECT_EQ(said.find(reason, said.find(reason) + 1), std::string::npos) << said;
  EXPECT_EQ(said.find("connected to", said.find("connected to") + 1), std::string::npos) << said;
}

// Which of them is tried first is drawn.
TEST(DeliveryTest, TriesEveryServer) {
  const FakeBroker broker(silence);
  const std::string none = "nats://127.0.0.1:1";
  Rig rig({none, none, none, broker.url(), none});
  rig.delivery.turn(Clock::now());
  EXPECT_TRUE(rig.delivery.is_ready()) << rig.said();
}

TEST(DeliveryTest, TriesNoFurtherServerWhenItStops) {
  int given_up = 0;
  for (int round = 0; round < 20; ++round) {
    const FakeBroker broker(silence);
    Rig rig({"nats://127.0.0.1:1", broker.url()});
    rig.stops = true;
    rig.delivery.turn(Clock::now());
    if (rig.has_said("cannot connect to the broker")) ++given_up;
    EXPECT_EQ(broker.connections(), rig.delivery.is_ready() ? 1 : 0);
  }
  EXPECT_GT(given_up, 0);
}

// All that the stream has is not read back because of a lost state, now or after a restart.
TEST(DeliveryTest, WithoutAStateNothingUpToTheStreamsEndIsInDoubt) {
  const FakeBroker broker(silence, 1000);
  Rig rig({broker.url()});
  ASSERT_TRUE(rig.turn_until([&] { return rig.delivery.has_synced(); })) << rig.said();
  EXPECT_EQ(rig.window.progress().stored_after, 1000U);
  rig.tell(1, 1);
  EXPECT_EQ(rig.window.stored_after(), 1000U);
}

TEST(DeliveryTest, DrainingMakesNoConnection) {
  FakeBroker broker(silence);
  Rig rig({broker.url()});
  rig.tell(1, 1);
  rig.delivery.drain(Clock::now());
  EXPECT_EQ(broker.connections(), 0);
  ASSERT_TRUE(rig.turn_until([&] { return rig.delivery.is_ready(); })) << rig.said();
  broker.close_client();
  for (const auto end = Clock::now() + 2s; rig.delivery.is_ready() && Clock::now() < end;) {
    rig.delivery.drain(Clock::now());
    ::poll(nullptr, 0, 10);
  }
  EXPECT_FALSE(rig.delivery.is_ready());
  rig.delivery.drain(Clock::now() + 120s);
  EXPECT_EQ(broker.connections(), 1);
  EXPECT_TRUE(rig.has_said("the connection to the broker was lost")) << rig.said();
}

}  // namespace
}  // namespace tcpeek::forward
