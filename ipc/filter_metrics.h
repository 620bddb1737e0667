// The families of METRICS that have a sample for each filter, and what their labels share with those of services.
//
// Pure functions, callable from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "ipc/failure_examples.h"
#include "ipc/health_stats.h"
#include "ipc/metrics_writer.h"
#include "ipc/snapshot.h"

namespace tcpeek::ipc {

inline constexpr std::array kReasonLabels{
    std::string_view(R"(reason="refused")"), std::string_view(R"(reason="aborted")"),
    std::string_view(R"(reason="timed_out")"), std::string_view(R"(reason="unreachable")")};
static_assert(kReasonLabels.size() == kFailureReasons);

template <typename Fn>
void for_reasons(Fn&& fn) {
  for (std::size_t i = 0; i < kFailureReasons; ++i) {
    fn(static_cast<FailureReason>(i), kReasonLabels.at(i));
  }
}

inline constexpr std::array kStateLabels{
    std::pair{HealthState::unknown, std::string_view(R"(state="unknown")")},
    std::pair{HealthState::never_succeeded, std::string_view(R"(state="never_succeeded")")},
    std::pair{HealthState::ok, std::string_view(R"(state="ok")")},
    std::pair{HealthState::degraded, std::string_view(R"(state="degraded")")},
    std::pair{HealthState::failing, std::string_view(R"(state="failing")")},
};

template <typename Fn>
void for_states(Fn&& fn) {
  for (const auto& [state, label] : kStateLabels) fn(state, label);
}

inline constexpr std::string_view kSynLabel = R"(segment="syn")";
inline constexpr std::string_view kSynAckLabel = R"(segment="synack")";

// `examples`: null where none are kept.
void write_filter_metrics(MetricsWriter& out, const Snapshot& snapshot,
                          const FailureExamples* examples);

}  // namespace tcpeek::ipc
