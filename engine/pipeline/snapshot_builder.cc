#include "engine/pipeline/snapshot_builder.h"

#include <algorithm>

#include "engine/filters/address.h"
#include "engine/pipeline/failure_sketch.h"

namespace tcpeek::engine {
namespace {

struct Mail {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
};

Mail sum_mail(std::span<const ReaderView> readers) noexcept {
  Mail mail;
  for (const ReaderView& reader : readers) {
    mail.sent += reader.report->mailed_out;
    mail.received += reader.report->mailed_in;
  }
  return mail;
}

ipc::ReaderStats reader_stats(const ReaderView& view) {
  const ReaderReport& r = *view.report;
  ipc::ReaderStats stats;
  stats.id = view.id;
  stats.cpu = view.cpu;
  stats.packets = r.delivered;
  for (const ring::SocketStatistics& socket : r.sockets) {
    stats.dropped += socket.dropped;
    stats.freezes += socket.freezes;
  }
  stats.pending = r.pending;
  stats.remembered = r.remembered;
  stats.capacity = r.capacity;
  stats.mailbox_depth = view.mailbox_depth;
  stats.event_queue_depth = view.event_queue_depth;
  stats.events_lost = r.outcomes.events_lost;
  return stats;
}

std::int64_t wall_ns(flowtable::PacketTime time, const QueueSigns::List& list) noexcept {
  return time.time_since_epoch().count() + list.wall_offset;
}

void add_packets(ipc::Snapshot& s, const ReaderReport& r, flowtable::IgnoredCounts& ignored,
                 std::uint64_t& unreadable, std::uint64_t& mailbox_full) {
  for (std::size_t i = 0; i < r.sockets.size(); ++i) {
    s.packets.seen += r.sockets[i].seen;
    s.packets.dropped += r.sockets[i].dropped;
    s.interfaces[i].packets += r.sockets[i].seen;
    s.interfaces[i].dropped += r.sockets[i].dropped;
  }
  s.packets.delivered += r.delivered;
  s.packets.used += r.tracker.used;
  s.packets.misrouted += r.mailed_out + r.mailbox_full;
  for (std::size_t i = 0; i < ignored.counts.size(); ++i) {
    ignored.counts[i] += r.tracker.ignored.counts[i] + r.undecoded.counts[i];
  }
  unreadable += r.unreadable;
  mailbox_full += r.mailbox_full;
}

void add_outcomes(ipc::Snapshot& s, std::span<const FilterRegistry::Entry> filters,
                  const ReaderReport& r) {
  s.totals += r.outcomes.totals;
  for (std::size_t i = 0; i < filters.size(); ++i) {
    // A reader that has not switched to the latest rules has no counts for filters they added; where they
    // have the number of another that has ended, its counts are still there.
    const auto& [id, filter, removed, since] = filters[i];
    const bool counted = removed || since <= r.generation;
    if (!counted || id >= r.outcomes.filters.size()) continue;
    // Most of many filters count nothing, and histograms are large. Whatever is counted changes a tally.
    const ipc::Counts& counts = r.outcomes.filters[id];
    if (counts.values != ipc::Tallies{}.values) s.filters[i].counts += counts;
  }
  s.attempts_excluded += r.outcomes.excluded;
  s.attempts_not_local += r.outcomes.not_local;
  s.filter_sets_overflowed += r.outcomes.filter_sets_overflowed;
  s.syn_copies += r.tracker.syn_copies;
  s.synack_copies += r.tracker.synack_copies;
  s.late_syns += r.tracker.late_syns;
  s.stray_syns += r.tracker.stray_syns;
}

// Of each address and port once, though several readers saw some of its SYNs.
void add_queue_signs(ipc::Queues& queues, const QueueSigns::List& list) {
  for (const QueueSign& sign : list.all()) {
    const auto bytes = bytes_of(sign.address);
    auto port = std::ranges::find_if(queues.ports, [&](const ipc::QueueStats& known) {
      return known.port == sign.port && known.bytes == bytes;
    });
    if (port == queues.ports.end()) {
      port = queues.ports.insert(port, {.bytes = bytes,
                                        .address = to_string(Address{bytes}),
                                        .port = sign.port,
                                        .first_unanswered = wall_ns(sign.first, list)});
    }
    port->own = port->own || sign.own;
    port->answered_ever = port->answered_ever || sign.answered_ever;
    port->first_unanswered = std::min(port->first_unanswered, wall_ns(sign.first, list));
    port->last_unanswered = std::max(port->last_unanswered, wall_ns(sign.last, list));
    port->unanswered += sign.unanswered;
    port->answered_meanwhile += sign.answered_meanwhile;
    port->late_synacks += sign.late_synacks;
  }
}

}  // namespace

bool mail_adds_up(std::span<const ReaderView> readers) noexcept {
  const Mail mail = sum_mail(readers);
  return mail.received <= mail.sent;
}

ipc::Snapshot build_snapshot(SnapshotFrame frame, const FilterRegistry& registry,
                             std::span<const ReaderView> readers) {
  ipc::Snapshot s;
  s.version = TCPEEK_VERSION;
  s.started = frame.started;
  s.taken = frame.taken;
  s.uptime = frame.uptime;
  s.interfaces = std::move(frame.interfaces);
  s.server = frame.server;
  const std::vector<FilterRegistry::Entry> filters = registry.entries();
  // Made where they stay: with its histograms a filter is nine kilobytes to move.
  s.filters.resize(filters.size());
  for (std::size_t i = 0; i < filters.size(); ++i) {
    ipc::FilterStats& stats = s.filters[i];
    stats.name = filters[i].filter->name;
    stats.expression = filters[i].filter->text;
    stats.removed = filters[i].removed;
    stats.since = filters[i].since;
  }
  flowtable::IgnoredCounts ignored;
  std::uint64_t unreadable = 0;
  std::uint64_t mailbox_full = 0;
  for (const ReaderView& reader : readers) {
    s.readers.push_back(reader_stats(reader));
    add_packets(s, *reader.report, ignored, unreadable, mailbox_full);
    add_outcomes(s, filters, *reader.report);
    add_queue_signs(s.queues, reader.report->queue_signs);
  }
  const Mail mail = sum_mail(readers);
  // Reports that still do not add up: nothing is shown as in a mailbox.
  s.packets.in_mailboxes = mail.sent - std::min(mail.sent, mail.received);
  s.packets.in_ring = s.packets.seen - s.packets.dropped - s.packets.delivered;
  for (std::size_t i = 0; i < ignored.counts.size(); ++i) {
    s.packets.ignored.push_back({flowtable::kIgnoredNames[i], ignored.counts[i]});
  }
  s.packets.ignored.push_back({"unreadable", unreadable});
  s.packets.ignored.push_back({"mailbox_full", mailbox_full});
  return s;
}

}  // namespace tcpeek::engine
