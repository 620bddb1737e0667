// Answers the requests of clients: the one place that knows what each word means.
//
// How it works: requests that arrive together are answered together, from one snapshot that is never
// older than any of them; a reply that is the same for all is formatted once. A pause follows each round
// of replies, so that clients that ask as fast as they can cost only a bounded share of the reactor and
// of the readers, which copy their counts for each snapshot. Requests of clients that have left are
// dropped: there are never more requests waiting than the server has clients. The pause is at least as
// long as the round took to answer, so that large replies do not take up the reactor either.
//
// TOP and EXPLAIN have rounds of their own, for all who ask the same, with the same pause: of these only one
// is under way at a time, as both ask the readers for the same kind of report.
//
// An unknown word is answered like GET, as in the original.
//
// Thread contract: reactor thread only.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/serve/delta_replies.h"
#include "engine/serve/history_replies.h"
#include "engine/serve/metrics_replies.h"
#include "ipc/explain.h"
#include "ipc/legacy_reply.h"
#include "ipc/reactor.h"
#include "ipc/snapshot.h"
#include "ipc/top.h"
#include "ipc/unix_server.h"

namespace tcpeek::engine {

class RequestHandler {
 public:
  using Reply = ipc::UnixServer::Reply;

  // How long other clients may delay a reply.
  static constexpr std::chrono::milliseconds kPause{2};

  // Calls its argument once, with a snapshot taken from now on.
  using Collect = std::function<void(std::function<void(const ipc::Snapshot&)>)>;

  // The same for TOP.
  using CollectTop =
      std::function<void(const ipc::TopRequest&, std::function<void(const ipc::Top&)>)>;

  // The reactor outlives this object, which outlives the callbacks it gives to the reactor.
  RequestHandler(ipc::Reactor& reactor, Collect collect, CollectTop collect_top)
      : reactor_(reactor), collect_(std::move(collect)), collect_top_(std::move(collect_top)) {}

  // Without it HISTORY is a word like any other. It outlives this object.
  void offer(const History& history) { history_replies_.emplace(history); }
  // The same for METRICS.
  void offer(MetricsReplies& metrics) { metrics_ = &metrics; }

  // The same for EXPLAIN. Without it that is a word like any other.
  using CollectExplanation = std::function<void(std::function<void(const ipc::Explanation&)>)>;
  void offer(CollectExplanation collect) { collect_explanation_ = std::move(collect); }
  // A word that needs no snapshot: answers, or returns false if the line is about another.
  void offer(std::function<bool(std::string_view line, const Reply& reply)> word) {
    offered_.push_back(std::move(word));
  }

  void ask(std::string word, Reply reply);

  [[nodiscard]] const DeltaReplies& deltas() const noexcept { return delta_replies_; }

  [[nodiscard]] std::size_t waiting() const noexcept {
    return waiting_.size() + top_waiting_.size();
  }

 private:
  struct Request {
    std::string word;
    Reply reply;
  };

  struct TopQuestion {
    std::optional<ipc::TopRequest> request;  // none: EXPLAIN
    Reply reply;
  };

  [[nodiscard]] bool ask_top(std::string_view line, const Reply& reply);
  [[nodiscard]] bool ask_explanation(std::string_view line, const Reply& reply);
  void wait_for_top_round(std::optional<ipc::TopRequest> request, const Reply& reply);
  void begin_top_round();
  void end_top_round(std::span<const Reply> replies, const ipc::ReplyText& text);
  void begin_round();
  void prepare_metrics(std::function<void()> then);
  void answer(const ipc::Snapshot& snapshot);
  // False if it has to wait for the next round.
  [[nodiscard]] bool answer_history(const HistoryRequest& asked, const ipc::Snapshot& snapshot,
                                    const Reply& reply);
  [[nodiscard]] bool answer_delta(const DeltaRequest& asked, const ipc::Snapshot& snapshot,
                                  const Reply& reply);
  void end_round(std::chrono::steady_clock::duration spent);
  void drop_unwanted();

  ipc::Reactor& reactor_;
  const Collect collect_;
  const CollectTop collect_top_;
  CollectExplanation collect_explanation_;  // empty: not offered
  std::vector<std::function<bool(std::string_view, const Reply&)>> offered_;
  std::vector<Request> current_;  // answered in the current round
  std::vector<Request> waiting_;  // for the next one
  bool busy_ = false;             // with a round or the pause after it
  std::vector<TopQuestion> top_waiting_;
  bool top_busy_ = false;
  ipc::RefreshMarks refresh_marks_;
  std::optional<HistoryReplies> history_replies_;
  DeltaReplies delta_replies_;
  MetricsReplies* metrics_ = nullptr;
};

}  // namespace tcpeek::engine
