#include "engine/output/terminal_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "engine/output/live_line.h"

namespace tcpeek::engine {
namespace {

using flowtable::Result;

// Of the columns, without the lines between them.
constexpr std::size_t kTime = 9;
constexpr std::size_t kStamp = 23;
constexpr std::size_t kEnds = 45;
constexpr std::size_t kResult = 19;
constexpr std::size_t kDuplicates = 18;
static_assert(kTime + kStamp + kEnds + kResult + kDuplicates + 4 == kFullWidth);

struct Layout {
  bool time = true;
  bool stamp = true;
  bool duplicates = true;
};

Layout layout_for(std::size_t width) noexcept {
  Layout layout;
  if (width == 0 || width >= kFullWidth) return layout;
  std::size_t needed = kFullWidth;
  const auto leave_out = [&](bool& column, std::size_t columns) {
    if (needed <= width) return;
    column = false;
    needed -= columns + 1;
  };
  leave_out(layout.duplicates, kDuplicates);
  leave_out(layout.stamp, kStamp);
  leave_out(layout.time, kTime);
  return layout;
}

std::string assembled(const Layout& layout, const LiveColumns& columns) {
  std::vector<std::string_view> shown;
  if (layout.time) shown.push_back(columns.time);
  if (layout.stamp) shown.push_back(columns.stamp);
  shown.push_back(columns.ends);
  shown.push_back(columns.result);
  if (layout.duplicates) shown.push_back(columns.duplicates);
  return fmt::format("{}", fmt::join(shown, "|"));
}

bool needed_repeats(const ipc::OutcomeEvent& event) noexcept {
  return event.dup_syn != 0 || event.dup_synack != 0;
}

std::string_view which_sending(const ipc::OutcomeEvent& event) noexcept {
  switch (event.dup_syn) {
    case 0:
      return "2nd S/A";
    case 1:
      return "2nd SYN";
    case 2:
      return "3rd SYN";
    default:
      return "later SYN";
  }
}

// Yellow for what went well in the end, or has not ended.
int colour_of(const ipc::OutcomeEvent& event, Result result) noexcept {
  constexpr int kRed = 31;
  constexpr int kGreen = 32;
  constexpr int kYellow = 33;
  if (result == Result::pending) return kYellow;
  if (result != Result::success) return kRed;
  return needed_repeats(event) ? kYellow : kGreen;
}

}  // namespace

std::string result_in_words(const ipc::OutcomeEvent& event, Result result) {
  std::string words(flowtable::word(result));
  if (result == Result::success && needed_repeats(event)) {
    words += fmt::format(" ({})", which_sending(event));
  }
  const std::string_view why = event.icmp ? event.icmp->reason : event.cause;
  const bool known = result != Result::unreach || event.icmp;  // what the ICMP error said
  if (result != Result::success && result != Result::pending && known) {
    words += fmt::format(": {}{}", why, event.uncertain ? "?" : "");
  }
  words.resize(std::min(words.size(), kResult));
  return words;
}

std::string terminal_header(std::size_t width) {
  const Layout layout = layout_for(width);
  const std::string names = assembled(layout, live_column_names());
  return names + '\n' + std::string(layout.duplicates ? kFullWidth : names.size(), '-');
}

std::string terminal_line(const ipc::OutcomeEvent& event, Result result, std::size_t width,
                          bool colour) {
  Layout layout = layout_for(width);
  LiveColumns columns = live_columns(event, result);
  columns.result = fmt::format("{:^19}", result_in_words(event, result));
  if (width != 0 && assembled(layout, columns).size() > width) layout.duplicates = false;
  if (colour) {
    columns.result = fmt::format("\x1b[{}m{}\x1b[0m", colour_of(event, result), columns.result);
  }
  return assembled(layout, columns);
}

}  // namespace tcpeek::engine
