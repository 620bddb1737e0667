// From the window into the stream, by a broker that is slow, refuses, or says nothing.
#include "engine/forward/delivery.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <functional>
#include <string>

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
using Clock = Delivery::Clock;

std::string silence(const Published& /*message*/) {
  return {};
}

// A forwarder without its source.
class Rig {
 public:
  explicit Rig(const FakeBroker& broker, const std::string& login = "")
      : options_(options_for(broker, login)) {
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
  static ForwardOptions options_for(const FakeBroker& broker, const std::string& login) {
    ForwardOptions options;
    options.host = "h";
    options.broker.servers = {"nats://" + login + broker.authority()};
    return options;
  }

  const ForwardOptions options_;
  const engine::test::TextFile file_;
  engine::LineWriter writer_{file_.descriptor()};
  engine::Log log_{writer_, LOG_NOTICE, false, "tcpeek-forward"};
  engine::EventFd wake_;

 public:
  Window window{{}};
  Presence presence;
  Counters counters;
  Converter converter{{.host = "h", .redactor = {}}, window, presence, counters};
  Delivery delivery{options_, converter.token(), 0, window, presence, counters, log_, wake_};
};

TEST(DeliveryTest, SaysWhereItIsConnectedWithoutThePassword) {
  const FakeBroker broker(silence);
  Rig rig(broker, "me:s3cret@");
  EXPECT_TRUE(rig.turn_until([&] { return rig.delivery.has_synced(); })) << rig.said();
  EXPECT_TRUE(rig.has_said("connected to 'nats://" + broker.authority() + "': 0 messages"))
      << rig.said();
  EXPECT_FALSE(rig.has_said("s3cret"));
}

TEST(DeliveryTest, WaitsForAcknowledgementsFromWhenItHasConnected) {
  const FakeBroker broker(silence);
  Rig rig(broker);
  rig.tell(1, 2);
  rig.delivery.turn(Clock::now() - 60s);  // connecting, and asking for the stream, took a minute
  EXPECT_EQ(rig.window.in_flight(), 2U) << rig.said();
  rig.delivery.turn(Clock::now());
  EXPECT_EQ(rig.window.in_flight(), 2U);
  EXPECT_FALSE(rig.has_said("not been acknowledged")) << rig.said();
}

TEST(DeliveryTest, TellsWhatIsNotPermitted) {
  FakeBroker broker(silence);
  Rig rig(broker);
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

}  // namespace
}  // namespace tcpeek::forward
