// Family by family, as both forms want all samples of a family together.
#include "ipc/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "ipc/filter_metrics.h"
#include "ipc/queue_metrics.h"
#include "ipc/service_families.h"

namespace tcpeek::ipc {
namespace {

using std::string_view;

constexpr std::size_t kUsualMetricsBytes = 32768;
constexpr std::size_t kUsualFilterMetricsBytes = 5200;

class Metrics {
 public:
  Metrics(const Snapshot& snapshot, MetricsWriter& out) : snapshot_(snapshot), out_(out) {}

  void write_process();
  void write_capture();
  void write_packets();
  void write_readers();
  void write_servers();

 private:
  void alone(string_view name, MetricType type, string_view help, std::uint64_t value) {
    out_.family(name, type, help);
    out_.sample(value);
  }

  const Snapshot& snapshot_;
  MetricsWriter& out_;
};

void Metrics::write_process() {
  out_.family("tcpeek_build", MetricType::info, "The version of tcpeek.");
  out_.sample(1, label("version", snapshot_.version));
  out_.family("process_start_time_seconds", MetricType::gauge,
              "When counting began, in seconds since 1970.");
  const auto started =
      std::chrono::duration_cast<std::chrono::microseconds>(snapshot_.started.time_since_epoch());
  out_.seconds("", static_cast<std::uint64_t>(std::max<std::int64_t>(started.count(), 0)));
}

void Metrics::write_capture() {
  std::vector<std::string> names;
  for (const InterfaceStats& each : snapshot_.interfaces) {
    names.push_back(label("interface", each.name));
  }
  const auto by_interface = [&](string_view name, MetricType type, string_view help, auto value) {
    out_.family(name, type, help);
    for (std::size_t i = 0; i < names.size(); ++i) {
      out_.sample(value(snapshot_.interfaces[i]), names[i]);
    }
  };
  by_interface("tcpeek_capture_packets", MetricType::counter,
               "Packets that passed the kernel filter of an interface.",
               [](const InterfaceStats& each) { return each.packets; });
  by_interface("tcpeek_capture_dropped_packets", MetricType::counter,
               "Of these, the packets that found no room in a ring and were not seen.",
               [](const InterfaceStats& each) { return each.dropped; });
  by_interface("tcpeek_capture_interface_dropped_packets", MetricType::counter,
               "Packets that the interface itself dropped before anyone could see them.",
               [](const InterfaceStats& each) { return each.if_dropped; });
  by_interface("tcpeek_capture_interface_up", MetricType::gauge, "1 while the interface is up.",
               [](const InterfaceStats& each) -> std::uint64_t {
                 return each.state == InterfaceState::up ? 1 : 0;
               });
}

void Metrics::write_packets() {
  alone("tcpeek_packets_used", MetricType::counter, "Packets that moved an attempt.",
        snapshot_.packets.used);
  out_.family("tcpeek_packets_ignored", MetricType::counter,
              "Packets that moved none, by the reason why.");
  for (const NamedCount& reason : snapshot_.packets.ignored) {
    out_.sample(reason.count, label("reason", reason.name));
  }
  alone("tcpeek_attempts_excluded", MetricType::counter,
        "Attempts that an expression without a name excludes.", snapshot_.attempts_excluded);
  alone("tcpeek_attempts_not_local", MetricType::counter,
        "Attempts with neither end local, which no filter counts.", snapshot_.attempts_not_local);
}

void Metrics::write_readers() {
  std::vector<std::string> numbers;
  for (const ReaderStats& each : snapshot_.readers) {
    numbers.push_back(fmt::format("reader=\"{}\"", each.id));
  }
  const auto by_reader = [&](string_view name, MetricType type, string_view help, auto member) {
    out_.family(name, type, help);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      out_.sample(snapshot_.readers[i].*member, numbers[i]);
    }
  };
  by_reader("tcpeek_reader_packets", MetricType::counter,
            "Packets that a reader took from its rings.", &ReaderStats::packets);
  by_reader("tcpeek_reader_dropped_packets", MetricType::counter,
            "Packets that found no room in its rings.", &ReaderStats::dropped);
  by_reader("tcpeek_reader_ring_freezes", MetricType::counter,
            "Times that the kernel found a ring of it full.", &ReaderStats::freezes);
  by_reader("tcpeek_reader_pending", MetricType::gauge, "Attempts in its table without an outcome.",
            &ReaderStats::pending);
  by_reader("tcpeek_reader_remembered", MetricType::gauge,
            "Attempts in its table that have their outcome.", &ReaderStats::remembered);
  by_reader("tcpeek_reader_capacity", MetricType::gauge, "Most attempts that its table can hold.",
            &ReaderStats::capacity);
  by_reader("tcpeek_reader_mailbox_depth", MetricType::gauge,
            "Packets of other readers that wait for it.", &ReaderStats::mailbox_depth);
  by_reader("tcpeek_reader_events_lost", MetricType::counter,
            "Outcomes that were counted but not shown, as the queue was full.",
            &ReaderStats::events_lost);
}

void Metrics::write_servers() {
  struct Server {
    string_view labels;
    const ServerStats* stats;
  };
  std::vector<Server> servers{{R"(server="unix")", &snapshot_.server}};
  if (snapshot_.http) servers.push_back({R"(server="http")", &*snapshot_.http});
  const auto by_server = [&](string_view name, string_view help, auto member) {
    out_.family(name, MetricType::counter, help);
    for (const Server& each : servers) out_.sample(each.stats->*member, each.labels);
  };
  by_server("tcpeek_server_clients", "Clients that were accepted.", &ServerStats::clients_accepted);
  by_server("tcpeek_server_clients_displaced",
            "Clients that were evicted for others before they had their reply.",
            &ServerStats::clients_displaced);
  by_server("tcpeek_server_accept_failures", "Times that accept() failed.",
            &ServerStats::accept_failures);
  by_server("tcpeek_server_requests", "Requests that were read whole.", &ServerStats::requests);
  by_server("tcpeek_server_requests_dropped", "Requests that were unfinished, too long or no HTTP.",
            &ServerStats::requests_dropped);
  by_server("tcpeek_server_replies_dropped", "Replies that a client did not read to the end.",
            &ServerStats::replies_dropped);
  alone("tcpeek_output_lines_lost", MetricType::counter,
        "Lines that standard error or standard output did not take.", snapshot_.server.lines_lost);
}

}  // namespace

std::string metrics_text(const Snapshot& snapshot, const ServiceMetrics& services,
                         const FailureExamples* examples, MetricsForm form) {
  MetricsWriter out(form, kUsualMetricsBytes + snapshot.filters.size() * kUsualFilterMetricsBytes);
  Metrics metrics(snapshot, out);
  metrics.write_process();
  write_filter_metrics(out, snapshot, examples);
  metrics.write_capture();
  metrics.write_packets();
  metrics.write_readers();
  metrics.write_servers();
  write_service_metrics(out, services);
  write_queue_metrics(out, snapshot.queues, services);
  return std::move(out).take();
}

}  // namespace tcpeek::ipc
