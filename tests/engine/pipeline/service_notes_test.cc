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
  notes.ended(1, kSince, by(Cause::refused), {.syn = false}, false);
  notes.begin_window();
  notes.ended(1, kSince, by(Cause::refused), {.syn = true}, true);
  notes.ended(1, kSince, by(Cause::no_answer), {.syn = true}, true);
  NotedOfService told = notes.of(1, kSince);
  EXPECT_EQ(told.causes.refused, 2U);
  EXPECT_EQ(told.causes.no_answer, 1U);
  EXPECT_EQ(told.causes.total(), 3U);
  EXPECT_TRUE(told.own_responder);
  notes.begin_window();
  EXPECT_EQ(notes.of(1, kSince).causes.total(), 2U) << "the first window is over";
  notes.begin_window();
  EXPECT_EQ(notes.of(1, kSince).causes.total(), 0U);
  notes.ended(1, kSince, by(Cause::reset), {.syn = false}, true);
  EXPECT_EQ(notes.of(1, kSince).causes.total(), 1U) << "what is older does not come back";
  EXPECT_EQ(notes.of(2, kSince).causes.total(), 0U);
}

TEST(ServiceNotes, OfSuccessesOnlyThoseThatNeededASecondSyn) {
  ServiceNotes notes;
  notes.ended(1, kSince, by(Cause::none), {.syn = false}, false);
  notes.ended(1, kSince, by(Cause::evicted), {.syn = true}, false);
  EXPECT_EQ(notes.of(1, kSince).repeated_successes, 0U);
  notes.ended(1, kSince, by(Cause::none), {.syn = true}, false);
  EXPECT_EQ(notes.of(1, kSince).repeated_successes, 1U);
  EXPECT_EQ(notes.of(1, kSince).causes.total(), 0U);
}

TEST(ServiceNotes, KnowWhoseSynAckIsRepeatedNow) {
  ServiceNotes notes;
  for (int i = 0; i < 3; ++i) notes.answered_again(1, kSince);
  notes.begin_window();
  notes.begin_window();
  EXPECT_EQ(notes.of(1, kSince).answered_retrying, 3U) << "for as long as they are pending";
  EXPECT_EQ(notes.of(2, kSince).answered_retrying, 0U);
  notes.ended(1, kSince, by(Cause::none), {.syn = true, .synack = true}, false);
  notes.ended(1, kSince, by(Cause::none), {.syn = true}, false);
  NotedOfService told = notes.of(1, kSince);
  EXPECT_EQ(told.answered_retrying, 2U);
  EXPECT_EQ(told.repeated_successes, 2U);
  EXPECT_EQ(told.answered_twice, 1U);
  notes.ended(1, kSince, by(Cause::none), {.synack = true}, false);
  notes.ended(1, kSince, by(Cause::evicted), {.syn = true, .synack = true}, false);
  told = notes.of(1, kSince);
  EXPECT_EQ(told.answered_retrying, 0U);
  EXPECT_EQ(told.answered_twice, 1U);
  EXPECT_EQ(told.causes.total(), 0U);
}

TEST(ServiceNotes, KeepTheLastIcmpErrorAndWhatIsDoubtful) {
  ServiceNotes notes;
  const IcmpError first{.router = {1}, .type = 3, .code = 1};
  const IcmpError last{.router = {2}, .type = 3, .code = 0};
  for (const IcmpError* error : {&first, &last, static_cast<const IcmpError*>(nullptr)}) {
    Outcome outcome = by(Cause::unreachable);
    outcome.error = error;
    notes.ended(1, kSince, outcome, {.syn = false}, false);
  }
  Outcome timeout = by(Cause::no_answer);
  timeout.uncertain = true;
  notes.ended(1, kSince, timeout, {.syn = false}, false);
  for (const auto sender : {flowtable::RstSender::suspect, flowtable::RstSender::responder}) {
    Outcome refused = by(Cause::refused);
    refused.rst_sender = sender;
    notes.ended(1, kSince, refused, {.syn = false}, false);
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
  notes.ended(1, kSince, by(Cause::refused), {.syn = false}, false);
  EXPECT_EQ(notes.of(1, kSince + 1).causes.total(), 0U);
  EXPECT_EQ(notes.of(1, 0).causes.total(), 0U);
  notes.ended(1, kSince + 1, by(Cause::reset), {.syn = false}, false);
  EXPECT_EQ(notes.of(1, kSince + 1).causes.total(), 1U);
  EXPECT_EQ(notes.of(1, kSince).causes.total(), 0U);
}

}  // namespace
}  // namespace tcpeek::engine
