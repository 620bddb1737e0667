// The replies to HISTORY. A full one takes megabytes and several milliseconds, so that what clients ask
// costs the reactor and the memory a bounded share: one text is made in a round of replies, for all who
// asked for the same, and none while kMostTexts are still on their way to slow clients (each of which the
// server closes at its deadline). What has to wait is asked again in the next round.
//
// Thread contract: the reactor's thread. The history outlives this object.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/serve/history.h"
#include "engine/serve/history_request.h"
#include "ipc/snapshot.h"
#include "ipc/unix_server.h"

namespace tcpeek::engine {

class HistoryReplies {
 public:
  static constexpr std::size_t kMostTexts = 4;

  explicit HistoryReplies(const History& history) : history_(history) {}

  // The next round has a text of its own.
  void end_round() { text_ = {}; }

  // None: it has to wait.
  [[nodiscard]] std::optional<ipc::ReplyText> reply(const HistoryRequest& request,
                                                    const ipc::Snapshot& now);

 private:
  const History& history_;
  std::optional<std::chrono::seconds> back_;  // what `text_` tells
  ipc::ReplyText text_;                       // of this round; none yet
  std::vector<std::weak_ptr<const std::string>> sent_;
};

}  // namespace tcpeek::engine
