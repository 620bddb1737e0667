#include "engine/forward/converter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ipc/json_text.h"

namespace tcpeek::forward {

Converter::Converter(ConverterConfig config, Window& window, Presence& presence, Counters& counters)
    : config_(std::move(config)),
      token_(subject_token(config_.host)),
      host_member_(fmt::format(R"(,"host":{}}})", ipc::json_quoted(config_.host))),
      window_(window),
      presence_(presence),
      counters_(counters) {}

void Converter::move_to(const Position& position, Time now) {
  if (position.boot != done_.boot) send_batch(now);
  done_ = position;
  window_.pass(safe());
}

bool Converter::take(std::string_view line, Time now) {
  return take(line, parse_watch_line(line), now);
}

bool Converter::take(std::string_view line, std::optional<WatchLine> parsed, Time now) {
  std::string replaced;
  if (parsed && config_.redactor) {
    auto text = redacted(line, *parsed, *config_.redactor);
    if (!text) parsed.reset();
    replaced = std::move(text).value_or("");
    line = replaced;
  }
  if (!parsed) {
    ++counters_.lines_malformed;
    return false;
  }
  switch (parsed->kind) {
    case LineKind::success:
    case LineKind::failure:
    case LineKind::change:
    case LineKind::gap:
      ++counters_.events_read;
      take_event(line, *parsed, now);
      break;
    case LineKind::unkept:
      if (parsed->seq <= done_.seq) break;
      take_unkept({std::max(parsed->first, done_.seq + 1), parsed->seq}, now);
      advance(parsed->seq, now);
      break;
    case LineKind::position:
    case LineKind::error:
      break;
  }
  return true;
}

void Converter::take_event(std::string_view line, const WatchLine& event, Time now) {
  if (event.boot != done_.boot) move_to({event.boot, event.seq - 1}, now);
  if (event.seq <= done_.seq) return;
  if (event.seq > done_.seq + 1) take_unkept({done_.seq + 1, event.seq - 1}, now);
  take_outcome(line, event, now);
  advance(event.seq, now);
}

void Converter::take_outcome(std::string_view line, const WatchLine& event, Time now) {
  // That successes were counted says nothing of the failures among them.
  const bool in_range = presence_.has_in_range(event.boot, event.seq);
  const bool there =
      presence_.has(event.boot, event.seq) || (in_range && event.kind == LineKind::success);
  if (there) ++counters_.events_skipped;
  const bool outcome = event.kind == LineKind::success || event.kind == LineKind::failure;
  const bool counted = config_.aggregate.count() > 0 && outcome;
  if (counted && !in_range) {
    if (aggregate_.is_full()) send_batch(now);
    const bool single =
        there && event.kind == LineKind::success;  // sent when there were no aggregates
    if (!single) aggregate_.add(event);
  }
  if (there) return;
  if (counted && event.kind == LineKind::success) {
    ++counters_.events_aggregated;
    return;
  }
  std::string payload;
  payload.reserve(line.size() + host_member_.size());
  payload.append(line.substr(0, line.size() - 1)).append(host_member_);
  if (event.kind == LineKind::gap) ++counters_.gaps;
  done_.seq = event.seq;  // with nothing counted this message ends what is safe
  send(event.word, {.boot = event.boot, .from = event.seq, .to = event.seq, .service = {}},
       std::move(payload));
}

void Converter::take_unkept(Range range, Time now) {
  // A batch that was begun before ends there also if that event is gone.
  if (const std::uint64_t cut = presence_.last_cut(done_.boot, range)) {
    done_.seq = cut;
    send_batch(now);
  }
  for (const Range& missing : presence_.missing(done_.boot, range)) {
    ++counters_.gaps;
    counters_.events_lost += missing.to - missing.from + 1;
    done_.seq = missing.to;
    Message message = gap(done_.boot, missing);
    message.resume_after = safe();
    window_.add(std::move(message));
  }
}

Message Converter::gap(const std::string& boot, Range range) const {
  const MessageId id{
      .boot = boot, .from = range.from, .to = range.to, .service = {}, .range = true};
  return {.subject = fmt::format("{}.{}.gap", config_.subject, token_),
          .id = to_text(token_, id),
          .payload = fmt::format(R"({{"gap":{{"from":{},"to":{}}},"boot":"{}"{})", range.from,
                                 range.to, boot, host_member_),
          .resume_after = {}};
}

std::optional<Message> Converter::gap_instead(const Message& message) const {
  const auto id = parse_message_id(token_, message.id);
  if (!id || (id->range && id->parts == 0)) return std::nullopt;
  return gap(id->boot, {id->from, id->to});
}

void Converter::advance(std::uint64_t seq, Time now) {
  done_.seq = seq;
  if (!presence_.empty()) {
    if (presence_.is_cut(done_.boot, seq)) send_batch(now);
    presence_.forget(done_);
  }
  if (presence_.empty()) window_.release_after(done_);
  if (aggregate_.empty()) window_.pass(done_);
}

void Converter::flush(Time now) {
  if (!presence_.has_cut_after(done_.boot, done_.seq)) send_batch(now);
}

void Converter::send_batch(Time now) {
  if (aggregate_.empty()) return;
  const AggregateHead head{config_.host, done_.boot, aggregate_.from(),
                           done_.seq,    now,        config_.aggregate};
  const Position before{done_.boot, head.from - 1};
  const Aggregate::Services services = aggregate_.take();
  for (const auto& [service, counts] : services) {
    MessageId id{.boot = done_.boot,
                 .from = head.from,
                 .to = head.to,
                 .parts = services.size(),
                 .service = to_text(service),
                 .range = true};
    if (presence_.has_aggregate(id.boot, id.to, id.service)) continue;
    window_.add({.subject = fmt::format("{}.{}.aggregate", config_.subject, token_),
                 .id = to_text(token_, id),
                 .payload = to_json_line(head, service, counts),
                 .resume_after = before});
  }
  window_.pass(done_);
}

Position Converter::safe() const {
  return aggregate_.empty() ? done_ : Position{done_.boot, aggregate_.from() - 1};
}

void Converter::send(std::string_view word, MessageId id, std::string payload) {
  window_.add({.subject = fmt::format("{}.{}.{}", config_.subject, token_, word),
               .id = to_text(token_, id),
               .payload = std::move(payload),
               .resume_after = safe()});
}

}  // namespace tcpeek::forward
