#include "engine/forward/aggregate.h"

#include <fmt/format.h>

#include "ipc/json_text.h"
#include "ipc/top.h"

namespace tcpeek::forward {
namespace {

std::string quantile(const ipc::LatencyHistogram& latency, double q) {
  if (latency.count() == 0) return "null";
  return ipc::json_seconds(ipc::Elapsed(static_cast<std::uint64_t>(latency.quantile(q).count())));
}

}  // namespace

void Aggregate::add(const WatchLine& outcome) {
  if (services_.empty()) from_ = outcome.seq;
  ServiceCounts& counts =
      services_[{outcome.service_address, outcome.service_port,
                 ipc::direction_word(outcome.responder_local, outcome.initiator_local)}];
  ++counts.attempts;
  if (outcome.kind != LineKind::success) return;
  ++counts.success;
  if (outcome.timed) counts.latency.add(outcome.duration);
}

std::string to_text(const Aggregate::Service& service) {
  const bool v6 = service.address.find(':') != std::string::npos;
  return fmt::format("{}.{}{}{}:{}", service.direction, v6 ? "[" : "", service.address,
                     v6 ? "]" : "", service.port);
}

std::string to_json_line(const AggregateHead& head, const Aggregate::Service& service,
                         const ServiceCounts& counts) {
  const std::string address = ipc::json_quoted(service.address);
  return fmt::format(
      R"({{"event":"aggregate","boot":{},"from":{},"to":{},"time":"{}","interval_s":{},)"
      R"("responder":{{"address":{},"port":{}}},"direction":"{}","attempts":{},"success":{},)"
      R"("p50_seconds":{},"p99_seconds":{},"server.address":{},"server.port":{},)"
      R"("network.transport":"tcp","host":{}}})",
      ipc::json_quoted(head.boot), head.from, head.to, ipc::rfc3339_utc(head.time),
      head.interval.count(), address, service.port, service.direction, counts.attempts,
      counts.success, quantile(counts.latency, 0.5), quantile(counts.latency, 0.99), address,
      service.port, ipc::json_quoted(head.host));
}

}  // namespace tcpeek::forward
