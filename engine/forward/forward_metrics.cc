#include "engine/forward/forward_metrics.h"

#include <array>
#include <string_view>
#include <utility>

namespace tcpeek::forward {
namespace {

constexpr std::size_t kExpectedBytes = 4096;

struct CountFamily {
  std::string_view name;
  ipc::MetricType type;
  std::string_view help;
  Counters::Count Counters::*count;
};

constexpr std::array kFamilies{
    CountFamily{"tcpeek_forward_events_read", ipc::MetricType::counter, "Events read from tcpeek.",
                &Counters::events_read},
    CountFamily{"tcpeek_forward_lines_malformed", ipc::MetricType::counter,
                "Lines from tcpeek that were not understood; events among them are told in a gap.",
                &Counters::lines_malformed},
    CountFamily{"tcpeek_forward_events_skipped", ipc::MetricType::counter,
                "Events that were passed over because the stream had them already.",
                &Counters::events_skipped},
    CountFamily{"tcpeek_forward_events_aggregated", ipc::MetricType::counter,
                "Successes that were counted for an aggregate instead of sent.",
                &Counters::events_aggregated},
    CountFamily{"tcpeek_forward_events_lost", ipc::MetricType::counter,
                "Events that could not be forwarded and were told in gaps.",
                &Counters::events_lost},
    CountFamily{"tcpeek_forward_gaps", ipc::MetricType::counter, "Gaps forwarded.",
                &Counters::gaps},
    CountFamily{"tcpeek_forward_messages_published", ipc::MetricType::counter,
                "Messages sent to the broker, also again.", &Counters::messages_published},
    CountFamily{"tcpeek_forward_messages_stored", ipc::MetricType::counter,
                "Messages known to be in the stream.", &Counters::messages_stored},
    CountFamily{"tcpeek_forward_messages_duplicate", ipc::MetricType::counter,
                "Messages that the broker knew already.", &Counters::messages_duplicate},
    CountFamily{
        "tcpeek_forward_messages_rejected", ipc::MetricType::counter,
        "Messages that the broker refused; they are sent again, or told in gaps if too large.",
        &Counters::messages_rejected},
    CountFamily{"tcpeek_forward_connections", ipc::MetricType::counter,
                "Connections made to a broker.", &Counters::connections},
    CountFamily{"tcpeek_forward_read_backs", ipc::MetricType::counter,
                "Times that the stream was read back.", &Counters::read_backs},
    CountFamily{"tcpeek_forward_watches", ipc::MetricType::counter, "Connections made to tcpeek.",
                &Counters::watches},
    CountFamily{"tcpeek_forward_state_writes", ipc::MetricType::counter,
                "Times that the state file was written.", &Counters::state_writes},
    CountFamily{"tcpeek_forward_window_messages", ipc::MetricType::gauge,
                "Messages that wait or are on their way.", &Counters::in_window},
    CountFamily{"tcpeek_forward_messages_in_flight", ipc::MetricType::gauge,
                "Messages sent and not acknowledged yet.", &Counters::in_flight},
    CountFamily{"tcpeek_forward_stream_sequence", ipc::MetricType::gauge,
                "Sequence in the stream of the newest message stored.", &Counters::newest_stored},
};

}  // namespace

std::string metrics_text(const Counters& counters, ipc::MetricsForm form) {
  ipc::MetricsWriter writer(form, kExpectedBytes);
  writer.family("tcpeek_forward_build", ipc::MetricType::info, "Version of tcpeek-forward.");
  writer.sample(1, ipc::label("version", TCPEEK_VERSION));
  for (const CountFamily& family : kFamilies) {
    writer.family(family.name, family.type, family.help);
    writer.sample((counters.*family.count).load(std::memory_order_relaxed));
  }
  writer.family("tcpeek_forward_connected", ipc::MetricType::gauge,
                "Whether there is a connection to a broker.");
  writer.sample(counters.connected ? 1 : 0);
  writer.family("tcpeek_forward_watching", ipc::MetricType::gauge,
                "Whether there is a connection to tcpeek.");
  writer.sample(counters.watching ? 1 : 0);
  writer.family("tcpeek_forward_last_stored_timestamp_seconds", ipc::MetricType::gauge,
                "When a message was last known to be stored; 0 before the first.");
  writer.seconds("", static_cast<std::uint64_t>(counters.last_stored_ms.load()) * 1000);
  return std::move(writer).take();
}

}  // namespace tcpeek::forward
