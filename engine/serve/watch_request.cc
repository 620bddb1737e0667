#include "engine/serve/watch_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "engine/base/near_word.h"
#include "engine/base/text.h"
#include "ipc/request.h"

namespace tcpeek::engine {
namespace {

using ipc::EventKinds;
using ipc::WatchRequest;

constexpr std::string_view kWatchWord = "WATCH";
constexpr std::string_view kJson = "json";
constexpr std::string_view kFilter = "filter=";
constexpr std::string_view kResultIs = "result=";
constexpr std::string_view kFrom = "from=";
constexpr std::array kArguments{kJson, kFilter, kResultIs, kFrom};
constexpr std::string_view kAllowed =
    "allowed are json, filter=NAME, result=LIST and from=SEQ, each once";
constexpr std::size_t kShownNames = 16;

std::string_view without_quotes(std::string_view value) {
  const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
  return quoted ? value.substr(1, value.size() - 2) : value;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
  const auto meant = nearest(word, known);
  return meant ? fmt::format("; did you mean {}?", printable(*meant)) : "";
}

template <class Words>
std::string listed(const Words& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size() && i < kShownNames; ++i) {
    if (i != 0) text += ", ";
    text += printable(words[i]);
  }
  if (words.size() > kShownNames) text += fmt::format(" and {} more", words.size() - kShownNames);
  return text;
}

// Reads the arguments one by one into a request; the first that is wrong ends it.
class Reading {
 public:
  Reading(std::string_view arguments, const FilterNames& filters)
      : rest_(arguments), filters_(filters) {}

  std::variant<WatchRequest, WatchMistake> read() {
    for (std::string_view argument = next(); !argument.empty(); argument = next()) {
      if (auto mistake = take(argument)) return WatchMistake{"WATCH: " + *mistake};
    }
    return std::move(request_);
  }

 private:
  // Blanks within double quotes, which are closed, end no argument.
  std::string_view next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(ipc::kRequestBlanks), rest_.size()));
    std::size_t size = 0;
    bool quoted = false;
    for (; size < rest_.size(); ++size) {
      if (rest_[size] == '"') {
        quoted = !quoted && rest_.find('"', size + 1) != rest_.npos;
      } else if (!quoted && ipc::kRequestBlanks.find(rest_[size]) != ipc::kRequestBlanks.npos) {
        break;
      }
    }
    const std::string_view argument = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return argument;
  }

  // What is wrong, if anything is.
  std::optional<std::string> take(std::string_view argument) {
    for (std::size_t i = 0; i < kArguments.size(); ++i) {
      const std::string_view known = kArguments[i];
      if (known == kJson ? argument != known : !argument.starts_with(known)) continue;
      if (given_[i]) return fmt::format("{} is given twice; {}", known, kAllowed);
      given_[i] = true;
      return take(known, argument.substr(known.size()));
    }
    const std::size_t name_size = std::min(argument.find('='), argument.size() - 1) + 1;
    return fmt::format("{} is not an argument; {}{}", in_quotes_shortened(argument), kAllowed,
                       did_you_mean(argument.substr(0, name_size), kArguments));
  }

  std::optional<std::string> take(std::string_view name, std::string_view value) {
    if (name == kFilter) return take_filter(value);
    if (name == kResultIs) return take_results(value);
    if (name == kFrom) return take_from(value);
    return std::nullopt;
  }

  std::optional<std::string> take_filter(std::string_view value) {
    const std::vector<std::string> names = filters_();
    // As it stands first: a name may have quotes of its own.
    for (const std::string_view name : {value, without_quotes(value)}) {
      if (std::ranges::find(names, name) == names.end()) continue;
      request_.filter = std::string(name);
      return std::nullopt;
    }
    const std::vector<std::string_view> known(names.begin(), names.end());
    return fmt::format("no filter is named {}; there are {}{}", in_quotes_shortened(value),
                       listed(known), did_you_mean(value, known));
  }

  std::optional<std::string> take_results(std::string_view list) {
    request_.kinds = EventKinds();
    for (;;) {
      const std::size_t comma = std::min(list.find(','), list.size());
      const std::string_view word = list.substr(0, comma);
      const auto kinds = ipc::kinds_named(word);
      if (!kinds) return unknown_result(word);
      request_.kinds |= *kinds;
      if (comma == list.size()) return std::nullopt;
      list.remove_prefix(comma + 1);
    }
  }

  static std::string unknown_result(std::string_view word) {
    std::array<std::string_view, ipc::kNamedKinds.size()> names;
    std::ranges::transform(ipc::kNamedKinds, names.begin(), &ipc::NamedKinds::name);
    return fmt::format("{} is not a result or a cause; allowed are {}, separated by commas{}",
                       in_quotes_shortened(word), listed(names), did_you_mean(word, names));
  }

  std::optional<std::string> take_from(std::string_view value) {
    const auto seq = parse_number(value, 0, std::numeric_limits<std::uint64_t>::max());
    if (!seq) {
      return fmt::format("from={} is not an event number, a whole number from 0 to 2^64 - 1",
                         in_quotes_shortened(value));
    }
    request_.from = *seq;
    return std::nullopt;
  }

  std::string_view rest_;
  const FilterNames& filters_;
  std::array<bool, kArguments.size()> given_{};
  WatchRequest request_;
};

}  // namespace

std::optional<std::variant<WatchRequest, WatchMistake>> parse_watch_request(
    std::string_view request, const FilterNames& filters) {
  const auto arguments = ipc::arguments_of(request, kWatchWord);
  if (!arguments) return std::nullopt;
  return Reading(*arguments, filters).read();
}

}  // namespace tcpeek::engine
