#include "engine/serve/metrics_replies.h"

#include <utility>
#include <variant>

#include "ipc/gzip.h"
#include "ipc/json_text.h"
#include "ipc/metrics.h"
#include "ipc/request.h"

namespace tcpeek::engine {

bool MetricsReplies::is_asked_for(std::string_view line) noexcept {
  return ipc::arguments_of(line, ipc::kMetricsWord).has_value();
}

void MetricsReplies::prepare(std::function<void()> then) {
  if (!collect_) return then();
  collect_([this, then = std::move(then)](const ipc::ServiceMetrics& services) {
    services_ = services;
    then();
  });
}

std::optional<ipc::ReplyText> MetricsReplies::reply(std::string_view line,
                                                    const ipc::Snapshot& snapshot) {
  const auto parsed = ipc::parse_metrics_request(line);
  if (!parsed) return std::nullopt;
  if (const auto* mistake = std::get_if<ipc::MetricsMistake>(&*parsed)) {
    return ipc::ReplyText(ipc::error_reply(mistake->text));
  }
  return text(std::get<ipc::MetricsRequest>(*parsed), snapshot);
}

const ipc::ReplyText& MetricsReplies::text(const ipc::MetricsRequest& request,
                                           const ipc::Snapshot& snapshot) {
  auto& of_form = texts_.at(static_cast<std::size_t>(request.form));
  if (!of_form[0]) of_form[0] = ipc::metrics_text(snapshot, services_, examples_, request.form);
  if (request.gzip && !of_form[1]) of_form[1] = ipc::gzip(*of_form[0]);
  return of_form[request.gzip ? 1 : 0];
}

}  // namespace tcpeek::engine
