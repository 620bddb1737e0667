// The last failure of each filter and reason, and no more of them than there is room for.
#include "ipc/failure_examples.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace tcpeek::ipc {
namespace {

OutcomeEvent failure(std::string_view cause, std::string filter, std::string client = "192.0.2.1") {
  OutcomeEvent event;
  event.cause = cause;
  event.initiator = {std::move(client), 1};
  event.responder = {"192.0.2.2", 80};
  event.filters = filters_named({std::move(filter)});
  return event;
}

TEST(FailureExamples, EveryCauseHasAReason) {
  const std::pair<const char*, FailureReason> all[] = {
      {"refused", FailureReason::refused},        {"reset", FailureReason::refused},
      {"aborted", FailureReason::aborted},        {"half_open", FailureReason::aborted},
      {"probe", FailureReason::aborted},          {"no_answer", FailureReason::timed_out},
      {"no_ack", FailureReason::timed_out},       {"superseded", FailureReason::timed_out},
      {"unreachable", FailureReason::unreachable}};
  for (const auto& [cause, reason] : all) {
    FailureExamples examples;
    examples.note(failure(cause, "web"));
    for (std::size_t i = 0; i < kFailureReasons; ++i) {
      const auto other = static_cast<FailureReason>(i);
      EXPECT_EQ(examples.find("web", other) != nullptr, other == reason) << cause;
    }
  }
}

TEST(FailureExamples, TheLastOneCountsAndSuccessIsNone) {
  FailureExamples examples;
  examples.note(failure("", "web"));
  examples.note(failure("evicted", "web"));
  EXPECT_EQ(examples.find("web", FailureReason::refused), nullptr);
  examples.note(failure("refused", "web", "192.0.2.7"));
  examples.note(failure("refused", "web", "192.0.2.8"));
  examples.note(failure("refused", "other", "192.0.2.9"));
  EXPECT_EQ(examples.find("web", FailureReason::refused)->labels,
            R"(client_address="192.0.2.8",server_address="192.0.2.2",server_port="80")");
}

TEST(FailureExamples, LabelsFitWhatOpenMetricsAllows) {
  OutcomeEvent event = failure("refused", "web", "2001:db8:1111:2222:3333:4444:5555:6666");
  event.responder = {"2001:db8:1111:2222:3333:4444:5555:7777", 65'535};
  FailureExamples examples;
  examples.note(event);
  std::string labels = examples.find("web", FailureReason::refused)->labels;
  std::erase_if(labels, [](char c) { return c == '"' || c == ',' || c == '='; });
  EXPECT_LE(labels.size(), 128U);
}

TEST(FailureExamples, OneMoreFilterThanThereIsRoomFor) {
  FailureExamples examples;
  for (std::size_t i = 0; i <= FailureExamples::kMostFilters; ++i) {
    OutcomeEvent event = failure("refused", std::to_string(i));
    event.first_syn += std::chrono::seconds(i == 7 ? 0 : i + 1);
    examples.note(event);
  }
  EXPECT_EQ(examples.find("7", FailureReason::refused), nullptr) << "it failed longest ago";
  EXPECT_NE(examples.find("0", FailureReason::refused), nullptr);
  EXPECT_NE(examples.find(std::to_string(FailureExamples::kMostFilters), FailureReason::refused),
            nullptr);
}

}  // namespace
}  // namespace tcpeek::ipc
