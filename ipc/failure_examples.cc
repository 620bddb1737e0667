#include "ipc/failure_examples.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ipc/metrics_writer.h"

namespace tcpeek::ipc {
namespace {

std::optional<FailureReason> reason_of(std::string_view cause) noexcept {
  constexpr std::array<std::pair<std::string_view, FailureReason>, 9> kCauses{{
      {"refused", FailureReason::refused},
      {"reset", FailureReason::refused},
      {"aborted", FailureReason::aborted},
      {"half_open", FailureReason::aborted},
      {"probe", FailureReason::aborted},
      {"no_answer", FailureReason::timed_out},
      {"no_ack", FailureReason::timed_out},
      {"superseded", FailureReason::timed_out},
      {"unreachable", FailureReason::unreachable},
  }};
  for (const auto& [known, reason] : kCauses) {
    if (known == cause) return reason;
  }
  return std::nullopt;
}

}  // namespace

std::string_view word(FailureReason reason) noexcept {
  switch (reason) {
    case FailureReason::refused:
      return "refused";
    case FailureReason::aborted:
      return "aborted";
    case FailureReason::timed_out:
      return "timed_out";
    case FailureReason::unreachable:
      return "unreachable";
  }
  return "";
}

void FailureExamples::note(const OutcomeEvent& event) {
  const auto reason = reason_of(event.cause);
  if (!reason) return;
  const FailureExample example{
      fmt::format("{},{},server_port=\"{}\"", label("client_address", event.initiator.address),
                  label("server_address", event.responder.address), event.responder.port),
      event.first_syn + event.duration};
  for (const std::string& filter : event.filters->names()) {
    of(filter).at(static_cast<std::size_t>(*reason)) = example;
  }
}

FailureExamples::Examples& FailureExamples::of(const std::string& filter) {
  const auto place = by_filter_.find(filter);
  if (place != by_filter_.end()) return place->second;
  if (by_filter_.size() == kMostFilters) {
    const auto last_failure = [](const auto& entry) {
      return std::ranges::max(entry.second, {}, &FailureExample::when).when;
    };
    by_filter_.erase(std::ranges::min_element(by_filter_, {}, last_failure));
  }
  return by_filter_[filter];
}

const FailureExample* FailureExamples::find(std::string_view filter, FailureReason reason) const {
  const auto place = by_filter_.find(filter);
  if (place == by_filter_.end()) return nullptr;
  const FailureExample& example = place->second[static_cast<std::size_t>(reason)];
  return example.labels.empty() ? nullptr : &example;
}

}  // namespace tcpeek::ipc
