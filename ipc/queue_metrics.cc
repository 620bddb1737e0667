#include "ipc/queue_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tcpeek::ipc {
namespace {

using std::string_view;

// From better to worse.
enum class QueueState : std::uint8_t { well, refuted, suspected, confirmed };

struct QueueStateLabel {
  QueueState state;
  string_view text;
};
constexpr std::array kQueueStateLabels{
    QueueStateLabel{QueueState::confirmed, R"(state="confirmed")"},
    QueueStateLabel{QueueState::suspected, R"(state="suspected")"},
    QueueStateLabel{QueueState::refuted, R"(state="refuted")"},
};

// All addresses of a port.
struct PortQueue {
  QueueState state = QueueState::well;
  std::uint64_t unanswered = 0;
  // Of the fullest.
  std::optional<std::uint32_t> backlog_now;
  std::uint32_t backlog_max = 0;
};

// A port is told because SYNs make it suspected, or because the kernel confirms it.
QueueState state_of(QueueVerdict verdict) noexcept {
  switch (verdict) {
    case QueueVerdict::confirmed:
      return QueueState::confirmed;
    case QueueVerdict::refuted:
      return QueueState::refuted;
    case QueueVerdict::unknown:
      return QueueState::suspected;
  }
  return QueueState::well;
}

void add(PortQueue& port, const QueueStats& told) {
  port.state = std::max(port.state, state_of(told.verdict));
  port.unanswered += told.unanswered;
  if (!told.backlog_now || !told.backlog_max) return;
  const std::int64_t over = std::int64_t{*told.backlog_now} - *told.backlog_max;
  if (port.backlog_now && over <= std::int64_t{*port.backlog_now} - port.backlog_max) return;
  port.backlog_now = told.backlog_now;
  port.backlog_max = *told.backlog_max;
}

struct Labelled {
  std::string labels;
  PortQueue queue;
};

std::vector<Labelled> by_port(const Queues& queues, const ServiceMetrics& services) {
  std::map<std::uint16_t, PortQueue> ports;
  for (const ServiceMetric& service : services.services) {
    if (service.is_local()) ports.try_emplace(service.port);
  }
  for (const QueueStats& told : queues.ports) add(ports[told.port], told);
  std::vector<Labelled> all;
  all.reserve(ports.size());
  for (const auto& [port, queue] : ports) all.push_back({fmt::format(R"(port="{}")", port), queue});
  return all;
}

void write_ports(MetricsWriter& out, const std::vector<Labelled>& ports) {
  out.family("tcpeek_accept_queue_state", MetricType::gauge,
             "1 for what is known of a local port's accept queue: the kernel confirms that it was "
             "full, SYNs make it suspected, or the kernel refutes that; all 0 without a sign.");
  for (const Labelled& port : ports) {
    for (const auto& [state, text] : kQueueStateLabels) {
      out.sample(port.queue.state == state ? 1 : 0, port.labels, text);
    }
  }
  out.family("tcpeek_accept_queue_unanswered", MetricType::gauge,
             "Attempts that a port with signs of a full accept queue left without an answer, since "
             "the signs began.");
  for (const Labelled& port : ports) out.sample(port.queue.unanswered, port.labels);
  out.family("tcpeek_accept_queue_length", MetricType::gauge,
             "Connections that wait to be accepted, of the fullest listener on a port with signs.");
  for (const Labelled& port : ports) {
    if (port.queue.backlog_now) out.sample(*port.queue.backlog_now, port.labels);
  }
  out.family("tcpeek_accept_queue_limit", MetricType::gauge,
             "How many may wait there: the listener's backlog.");
  for (const Labelled& port : ports) {
    if (port.queue.backlog_now) out.sample(port.queue.backlog_max, port.labels);
  }
}

void write_kernel(MetricsWriter& out, const Queues& queues) {
  const auto counter = [&](string_view name, string_view help, std::uint64_t value) {
    out.family(name, MetricType::counter, help);
    if (queues.counters_known) out.sample(value);
  };
  counter("tcpeek_listen_overflows",
          "Connections that the kernel dropped at full accept queues, of this network namespace "
          "(ListenOverflows).",
          queues.listen_overflows);
  counter("tcpeek_listen_drops",
          "The same, and those that it dropped at listeners for another reason (ListenDrops).",
          queues.listen_drops);
  counter("tcpeek_syn_queue_drops", "SYNs that it dropped at full SYN queues (TCPReqQFullDrop).",
          queues.syn_queue_drops);
}

}  // namespace

void write_queue_metrics(MetricsWriter& out, const Queues& queues, const ServiceMetrics& services) {
  write_ports(out, by_port(queues, services));
  out.family("tcpeek_accept_queues_left_out", MetricType::gauge,
             "Ports with signs of a full accept queue that found no room here.");
  out.sample(queues.ports_left_out);
  write_kernel(out, queues);
}

}  // namespace tcpeek::ipc
