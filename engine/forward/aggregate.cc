#include "engine/forward/aggregate.h"

#include <fmt/format.h>

#include "ipc/json_text.h"

namespace tcpeek::forward {
namespace {

std::string quantile(const ipc::LatencyHistogram& latency, double q) {
  if (latency.count() == 0) return "null";
  return ipc::json_seconds(ipc::Elapsed(static_cast<std::uint64_t>(latency.quantile(q).count())));
}

}  // namespace

void Aggregate::add(const WatchLine& outcome) {
  if (services_.empty()) from_ = outcome.seq;
  ServiceCounts& counts = services_[{outcome.service_address, outcome.service_port}];
  ++counts.attempts;
  if (outcome.kind != LineKind::success) return;
  ++counts.success;
  if (outcome.timed) counts.latency.add(outcome.duration);
}

std::string to_text(const Aggregate::Service& service) {
  const auto& [address, port] = service;
  const bool v6 = address.find(':') != address.npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address, v6 ? "]" : "", port);
}

std::string to_json_line(const AggregateHead& head, const Aggregate::Service& service,
                         const ServiceCounts& counts) {
  const std::string address = ipc::json_quoted(service.first);
  return fmt::format(
      R"({{"event":"aggregate","boot":{},"from":{},"to":{},"time":"{}","interval_s":{},)"
      R"("responder":{{"address":{},"port":{}}},"attempts":{},"success":{},)"
      R"("p50_seconds":{},"p99_seconds":{},"server.address":{},"server.port":{},)"
      R"("network.transport":"tcp","host":{}}})",
      ipc::json_quoted(head.boot), head.from, head.to, ipc::rfc3339_utc(head.time),
      head.interval.count(), address, service.second, counts.attempts, counts.success,
      quantile(counts.latency, 0.5), quantile(counts.latency, 0.99), address, service.second,
      ipc::json_quoted(head.host));
}

}  // namespace tcpeek::forward
