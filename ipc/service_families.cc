// Family by family, as both forms want all samples of a family together. Labels of services are made once.
#include "ipc/service_families.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "ipc/filter_metrics.h"

namespace tcpeek::ipc {
namespace {

using std::string_view;

std::uint64_t service_count_of(const FailureCounts& counts, FailureReason reason) noexcept {
  switch (reason) {
    case FailureReason::refused:
      return counts.refused + counts.reset;
    case FailureReason::aborted:
      return counts.aborted + counts.half_open + counts.probe;
    case FailureReason::timed_out:
      return counts.no_answer + counts.no_ack + counts.superseded;
    case FailureReason::unreachable:
      return counts.unreachable;
  }
  return 0;
}

std::string labels_of(const ServiceMetric& service) {
  if (service.is_local()) return fmt::format(R"(direction="rx",port="{}")", service.port);
  return fmt::format(R"(direction="tx",{},port="{}")", label("address", service.address),
                     service.port);
}

class ServiceFamilies {
 public:
  ServiceFamilies(MetricsWriter& out, const ServiceMetrics& services)
      : out_(out), services_(services.services) {
    for (const ServiceMetric& service : services_) labels_.push_back(labels_of(service));
  }

  void write_attempts();
  void write_failures();
  void write_retransmits();
  void write_health();

 private:
  void by_service(string_view name, MetricType type, string_view help,
                  std::uint64_t ServiceCounts::*member) {
    out_.family(name, type, help);
    each([&](const ServiceMetric& service, string_view labels) {
      out_.sample(service.counts.*member, labels);
    });
  }
  template <typename Fn>
  void each(Fn&& fn) {
    for (std::size_t i = 0; i < labels_.size(); ++i) fn(services_[i], labels_[i]);
  }

  MetricsWriter& out_;
  const std::vector<ServiceMetric>& services_;
  std::vector<std::string> labels_;
};

void ServiceFamilies::write_attempts() {
  by_service("tcpeek_service_handshakes", MetricType::counter,
             "Attempts to connect, by service: the first local ports that mattered, whatever "
             "filters there are.",
             &ServiceCounts::attempts);
  by_service("tcpeek_service_handshake_successes", MetricType::counter,
             "Attempts that became connections, by service.", &ServiceCounts::success);
  by_service("tcpeek_service_handshakes_evicted", MetricType::counter,
             "Attempts that were given up for want of room, by service.", &ServiceCounts::evicted);
  by_service("tcpeek_service_handshakes_pending", MetricType::gauge,
             "Attempts without an outcome yet, by service.", &ServiceCounts::pending);
  by_service("tcpeek_service_handshakes_retrying", MetricType::gauge,
             "Of the pending attempts, those whose SYN or SYN/ACK had to be repeated, by service.",
             &ServiceCounts::retrying);
}

void ServiceFamilies::write_failures() {
  out_.family("tcpeek_service_handshake_failures", MetricType::counter,
              "Attempts that failed, by service and reason.");
  each([&](const ServiceMetric& service, string_view labels) {
    for_reasons([&](FailureReason reason, string_view reason_label) {
      out_.sample(service_count_of(service.counts.failures, reason), labels, reason_label);
    });
  });
}

void ServiceFamilies::write_retransmits() {
  out_.family("tcpeek_service_handshake_retransmits", MetricType::counter,
              "SYN and SYN/ACK segments that were sent again, by service.");
  each([&](const ServiceMetric& service, string_view labels) {
    out_.sample(service.counts.dup_syn_segments, labels, kSynLabel);
    out_.sample(service.counts.dup_synack_segments, labels, kSynAckLabel);
  });
}

void ServiceFamilies::write_health() {
  out_.family("tcpeek_service_health", MetricType::gauge,
              "1 for the state a service is in, 0 for the others: of a local port the worst of its "
              "addresses.");
  each([&](const ServiceMetric& service, string_view labels) {
    for_states([&](HealthState state, string_view state_label) {
      out_.sample(service.health.is == state ? 1 : 0, labels, state_label);
    });
  });
  out_.family("tcpeek_service_health_changed_timestamp_seconds", MetricType::gauge,
              "When a service came into its state, in seconds since 1970.");
  each([&](const ServiceMetric& service, string_view labels) {
    if (service.health.since) out_.time(*service.health.since, labels);
  });
}

}  // namespace

void write_service_metrics(MetricsWriter& out, const ServiceMetrics& services) {
  ServiceFamilies families(out, services);
  families.write_attempts();
  families.write_failures();
  families.write_retransmits();
  families.write_health();
  out.family("tcpeek_services_not_listed", MetricType::gauge,
             "Services that matter and found no room among those listed (--metrics-services).");
  out.sample(services.not_listed);
}

}  // namespace tcpeek::ipc
