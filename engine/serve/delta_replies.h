// The word DELTA NAME: STATS as differences since this name's last DELTA, so that collectors do not steal
// from each other. The first reply of a name counts from the start.
//
// A name's mark is a packed snapshot. Names are bounded, and what they take together; who asked least recently
// is forgotten for another, and counted. The marks of REFRESH are none of these.
//
// Replies differ from client to client, and a large one takes milliseconds: one is made in a round of replies,
// and none while DeltaLimits::texts are on their way to slow clients. What has to wait is asked again in the next
// round.
//
// Thread contract: the reactor's thread.
// Bounds: DeltaLimits; one name has a mark in any case.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/packed_snapshot.h"
#include "ipc/snapshot.h"
#include "ipc/unix_server.h"

namespace tcpeek::engine {

struct DeltaRequest {
  std::string name;
  std::string error;  // what is wrong, and what is allowed; empty: nothing
};

// None if `request`, a trimmed line, is another word.
[[nodiscard]] std::optional<DeltaRequest> parse_delta_request(std::string_view request);

struct DeltaLimits {
  std::size_t names = 64;
  std::size_t bytes = std::size_t{32} << 20;  // of all marks
  std::size_t texts = 4;                      // on their way
};

class DeltaReplies {
 public:
  explicit DeltaReplies(DeltaLimits limits = {}) : limits_(limits) {}

  // The next round has a text of its own.
  void end_round() noexcept { answered_ = false; }

  // None: it has to wait.
  [[nodiscard]] std::optional<ipc::ReplyText> reply(const DeltaRequest& request,
                                                    const ipc::Snapshot& now);

  [[nodiscard]] std::size_t names() const noexcept { return marks_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t displaced() const noexcept { return displaced_; }

 private:
  struct Mark {
    std::string name;
    ipc::PackedSnapshot then;
  };

  [[nodiscard]] std::string text_of(const std::string& name, const ipc::Snapshot& now);
  void remember(const std::string& name, const ipc::Snapshot& now);

  const DeltaLimits limits_;
  std::list<Mark> marks_;  // who asked most recently first
  std::size_t bytes_ = 0;
  std::uint64_t displaced_ = 0;
  bool answered_ = false;  // in this round
  std::vector<std::weak_ptr<const std::string>> sent_;
};

}  // namespace tcpeek::engine
