// Replies to METRICS: each form made once for all who ask in one round, with the services of that time.
//
// How it works: a snapshot knows nothing of services, which readers tell apart from it. So before the snapshot
// of a round in which METRICS is asked for is taken, prepare() collects the services; reply() then makes the text of
// both.
//
// Thread contract: reactor thread only.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/failure_examples.h"
#include "ipc/metrics_request.h"
#include "ipc/reply.h"
#include "ipc/service_metrics.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

class MetricsReplies {
 public:
  // Calls its argument once, with services as they are from now on.
  using CollectServices = std::function<void(std::function<void(const ipc::ServiceMetrics&)>)>;

  // `collect`: empty where no services are listed. `examples`: null where none are kept; it outlives this.
  MetricsReplies(CollectServices collect, const ipc::FailureExamples* examples)
      : collect_(std::move(collect)), examples_(examples) {}

  [[nodiscard]] static bool is_asked_for(std::string_view line) noexcept;

  // Calls `then` once the services are known. One at a time.
  void prepare(std::function<void()> then);

  // None: `line` is another word. Texts are kept until end_round().
  [[nodiscard]] std::optional<ipc::ReplyText> reply(std::string_view line,
                                                    const ipc::Snapshot& snapshot);
  void end_round() { texts_ = {}; }

 private:
  [[nodiscard]] const ipc::ReplyText& text(const ipc::MetricsRequest& request,
                                           const ipc::Snapshot& snapshot);

  CollectServices collect_;
  const ipc::FailureExamples* examples_;
  ipc::ServiceMetrics services_;
  std::array<std::array<ipc::ReplyText, 2>, 2> texts_;  // by form, by whether compressed
};

}  // namespace tcpeek::engine
