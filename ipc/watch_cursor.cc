#include "ipc/watch_cursor.h"

#include <algorithm>
#include <utility>

#include "ipc/event_lines.h"

namespace tcpeek::ipc {
namespace {

std::uint64_t place_of(const std::optional<std::uint64_t>& from, const EventLog& log) noexcept {
  if (!from) return log.next();
  return *from > log.next() ? 1 : std::max<std::uint64_t>(*from, 1);
}

void add_line(std::string& piece, std::string_view line) {
  piece += line;
  piece += '\n';
}

}  // namespace

WatchCursor::WatchCursor(const EventLog& log, WatchRequest request)
    : log_(log), request_(std::move(request)), next_(place_of(request_.from, log)) {}

bool WatchCursor::wants(const Event& event) const noexcept {
  if (event.kind == EventKind::gap) return true;
  if (!request_.kinds.has(event.kind)) return false;
  return !request_.filter || event.filters == nullptr || event.filters->has(*request_.filter);
}

void WatchCursor::fill(std::string& piece) {
  if (!begun_) {
    begun_ = true;
    add_line(piece, at_line({log_.boot(), next_ - 1}));
  }
  if (next_ < log_.first()) {
    add_line(piece, gap_line(next_, log_.first() - 1));
    next_ = log_.first();
  }
  while (next_ < log_.next() && piece.size() < kPieceBytes) {
    const Event& event = log_.at(next_++);
    if (wants(event)) add_line(piece, event.line);
  }
  if (how_far_is_due_ && next_ == log_.next()) {
    how_far_is_due_ = false;
    add_line(piece, at_line({log_.boot(), next_ - 1}));
  }
}

}  // namespace tcpeek::ipc
