#include "engine/pipeline/pending_attempts.h"

#include <fmt/format.h>

#include <chrono>
#include <string>

#include "engine/filters/address.h"

namespace tcpeek::engine {
namespace {

std::string name_of(const flowtable::Endpoint& end) {
  const Address address{end.address};
  if (address.is_v4()) return fmt::format("{}:{}", to_string(address), end.port);
  return fmt::format("[{}]:{}", to_string(address), end.port);
}

}  // namespace

std::vector<ipc::PendingAttempt> PendingAttempts::named() const {
  std::vector<ipc::PendingAttempt> all;
  for (const flowtable::Attempt& attempt : oldest_) {
    using std::chrono::system_clock;
    const auto since = attempt.first_syn.time_since_epoch();
    all.push_back({.initiator = name_of(attempt.initiator_end()),
                   .responder = name_of(attempt.responder_end()),
                   .since = system_clock::time_point(
                       std::chrono::duration_cast<system_clock::duration>(since)),
                   .answered = attempt.handshake.phase == flowtable::Phase::answered,
                   .syns = attempt.handshake.dup_syns + 1U});
  }
  return all;
}

}  // namespace tcpeek::engine
