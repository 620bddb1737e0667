// What is noted of a service that fails, for how long it counts, and of whom.
#include "engine/pipeline/service_notes.h"

#include <gtest/gtest.h>

namespace tcpeek::engine {
namespace {

using flowtable::Cause;
using flowtable::IcmpError;
using flowtable::Outcome;

constexpr std::int64_t kSince = 5;

Outcome by(Cause cause) {
  return {.cause = cause, .at = flowtable::PacketTime(std::chrono::nanoseconds(77))};
}

TEST(ServiceNotes, CountCausesOfLate) {
  ServiceNotes notes;
  notes.ended(1, kSince, by(Cause::refused), false, false);
  notes.begin_window();
  notes.ended(1, kSince, by(Cause::refused), true, true);
  notes.ended(1, kSince, by(Cause::no_answer), true, true);
  NotedOfService told = notes.of(1, kSince);
  EXPECT_EQ(told.causes.refused, 2U);
  EXPECT_EQ(told.causes.no_answer, 1U);
  EXPECT_EQ(told.causes.total(), 3U);
  EXPECT_TRUE(told.own_responder);
  notes.begin_window();
  EXPECT_EQ(notes.of(1, kSince).causes.total(), 2U) << "the first window is over";
  notes.begin_window();
  EXPECT_EQ(notes.of(1, kSince).causes.total(), 0U);
  notes.ended(1, kSince, by(Cause::reset), false, true);
  EXPECT_EQ(notes.of(1, kSince).causes.total(), 1U) << "what is older does not come back";
  EXPECT_EQ(notes.of(2, kSince).causes.total(), 0U);
}

TEST(ServiceNotes, OfSuccessesOnlyThoseThatNeededASecondSyn) {
  ServiceNotes notes;
  notes.ended(1, kSince, by(Cause::none), false, false);
  notes.ended(1, kSince, by(Cause::evicted), true, false);
  EXPECT_EQ(notes.of(1, kSince).repeated_successes, 0U);
  notes.ended(1, kSince, by(Cause::none), true, false);
  EXPECT_EQ(notes.of(1, kSince).repeated_successes, 1U);
  EXPECT_EQ(notes.of(1, kSince).causes.total(), 0U);
}

TEST(ServiceNotes, KeepTheLastIcmpErrorAndWhatIsDoubtful) {
  ServiceNotes notes;
  const IcmpError first{.router = {1}, .type = 3, .code = 1};
  const IcmpError last{.router = {2}, .type = 3, .code = 0};
  for (const IcmpError* error : {&first, &last, static_cast<const IcmpError*>(nullptr)}) {
    Outcome outcome = by(Cause::unreachable);
    outcome.error = error;
    notes.ended(1, kSince, outcome, false, false);
  }
  Outcome timeout = by(Cause::no_answer);
  timeout.uncertain = true;
  notes.ended(1, kSince, timeout, false, false);
  for (const auto sender : {flowtable::RstSender::suspect, flowtable::RstSender::responder}) {
    Outcome refused = by(Cause::refused);
    refused.rst_sender = sender;
    notes.ended(1, kSince, refused, false, false);
  }
  const NotedOfService told = notes.of(1, kSince);
  EXPECT_EQ(told.error, last) << "one that is not known any more replaces none";
  EXPECT_EQ(told.error_at, 77);
  EXPECT_EQ(told.causes.unreachable, 3U);
  EXPECT_EQ(told.uncertain, 1U);
  EXPECT_EQ(told.rst_suspect, 1U);
}

TEST(ServiceNotes, AnotherServiceInTheSameRowBeginsAnew) {
  ServiceNotes notes;
  notes.ended(1, kSince, by(Cause::refused), false, false);
  EXPECT_EQ(notes.of(1, kSince + 1).causes.total(), 0U);
  EXPECT_EQ(notes.of(1, 0).causes.total(), 0U);
  notes.ended(1, kSince + 1, by(Cause::reset), false, false);
  EXPECT_EQ(notes.of(1, kSince + 1).causes.total(), 1U);
  EXPECT_EQ(notes.of(1, kSince).causes.total(), 0U);
}

}  // namespace
}  // namespace tcpeek::engine
