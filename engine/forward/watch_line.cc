#include "engine/forward/watch_line.h"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace tcpeek::forward {
namespace {

constexpr std::size_t kHexDigits = 16;
constexpr double kMostSeconds = 1e9;

bool is_boot(std::string_view text) noexcept {
  return text.size() == kHexDigits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// What rapidjson tells, value by value. Members that decide stand at the top, but for from and to of "gap".
class Handler : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Handler> {
 public:
  Handler(std::string_view text, const rapidjson::MemoryStream& stream, WatchLine& line)
      : text_(text), stream_(stream), line_(line) {}

  bool Default() { return depth_ > 0; }
  bool StartObject() {
    if (depth_ == 1) enter(false);
    return ++depth_ <= kMostDepth;
  }
  bool EndObject(rapidjson::SizeType /*members*/) {
    --depth_;
    return true;
  }
  bool StartArray() {
    if (depth_ == 1) enter(true);
    return depth_ > 0 && ++depth_ <= kMostDepth;
  }
  bool EndArray(rapidjson::SizeType /*elements*/) {
    --depth_;
    return true;
  }
  bool Key(const char* text, rapidjson::SizeType size, bool /*copy*/) {
    key_.assign(text, size);
    return true;
  }
  bool String(const char* text, rapidjson::SizeType size, bool /*copy*/) {
    const std::string_view value(text, size);
    if (depth_ == 1) at_top(value);
    if (depth_ == 2) within(value);
    return depth_ > 0;
  }
  bool Int(int value) { return Double(value); }
  bool Int64(std::int64_t value) { return Double(static_cast<double>(value)); }
  bool Uint(unsigned value) { return Uint64(value); }
  bool Uint64(std::uint64_t value) {
    if (depth_ == 1) number_at_top(value);
    if (depth_ == 2 && !in_array_ && outer_ == "gap") {
      if (key_ == "from") from_ = value;
      if (key_ == "to") to_ = value;
    }
    return Double(static_cast<double>(value));
  }
  bool Double(double value) {
    if (depth_ == 1 && key_ == "duration_seconds") {
      if (!(value >= 0 && value < kMostSeconds)) return false;
      line_.duration = std::chrono::microseconds(std::llround(value * 1e6));
    }
    return depth_ > 0;
  }
  bool Bool(bool value) {
    if (depth_ == 1 && value && (key_ == "half_seen" || key_ == "late_proof")) untimed_ = true;
    return depth_ > 0;
  }

  // Whether all of it makes one of the forms.
  bool finish();

 private:
  static constexpr int kMostDepth = 8;

  void enter(bool array) {
    outer_ = key_;
    in_array_ = array;
  }
  void at_top(std::string_view value) {
    if (key_ == "event") event_ = value;
    if (key_ == "boot") line_.boot = value;
    if (key_ == "result") result_ = value;
    if (key_ == "error") error_ = value;
    if (key_ == "server.address") line_.service_address = value;
    if (key_ == "client.address" || key_ == "server.address") note(value, false);
    if (key_ == "service") note(value, true);
  }
  void within(std::string_view value) {
    if (in_array_) {
      if (outer_ == "filters" && value == "RX") line_.responder_local = true;
      if (outer_ == "filters" && value == "TX") line_.initiator_local = true;
      return;
    }
    const bool end = (outer_ == "initiator" || outer_ == "responder") && key_ == "address";
    if (end || (outer_ == "icmp" && key_ == "router")) note(value, false);
  }
  void number_at_top(std::uint64_t value) {
    if (key_ == "seq") seq_ = value;
    if (key_ == "at") at_ = value;
    if (key_ == "server.port" && value <= std::numeric_limits<std::uint16_t>::max()) {
      line_.service_port = static_cast<std::uint16_t>(value);
    }
  }
  // The stream is behind the closing quote. What was escaped stands in the text otherwise: its place is
  // empty, which is no address.
  void note(std::string_view value, bool service) {
    const std::size_t end = stream_.Tell() - 1;
    const bool plain = end > value.size() && text_[end - value.size() - 1] == '"' &&
                       text_.substr(end - value.size(), value.size()) == value;
    const std::size_t size = plain ? value.size() : 0;
    line_.addresses.push_back({end - size, size, service});
  }
  bool finish_event();

  const std::string_view text_;
  const rapidjson::MemoryStream& stream_;
  WatchLine& line_;
  int depth_ = 0;
  std::string key_;
  std::string outer_;  // the member at the top that holds what we are in
  bool in_array_ = false;
  std::string event_;
  std::string result_;
  std::optional<std::string> error_;
  std::optional<std::uint64_t> seq_;
  std::optional<std::uint64_t> at_;
  std::optional<std::uint64_t> from_;
  std::optional<std::uint64_t> to_;
  bool untimed_ = false;
};

bool Handler::finish_event() {
  if (!seq_ || *seq_ == 0 || !is_boot(line_.boot)) return false;
  line_.seq = *seq_;
  if (event_ == "change" || event_ == "gap") {
    line_.kind = event_ == "change" ? LineKind::change : LineKind::gap;
    line_.word = event_;
    return true;
  }
  constexpr std::array<std::string_view, 4> kResults{"success", "reject", "timeout", "unreach"};
  if (event_ != "outcome" || std::ranges::find(kResults, result_) == kResults.end()) return false;
  if (line_.service_address.empty()) return false;
  line_.kind = result_ == "success" ? LineKind::success : LineKind::failure;
  line_.timed = !untimed_;
  line_.word = result_;
  return true;
}

bool Handler::finish() {
  if (!event_.empty()) return finish_event();
  if (error_) {
    line_.kind = LineKind::error;
    line_.word = *error_;
    return true;
  }
  if (at_) {
    line_.kind = LineKind::position;
    line_.seq = *at_;
    return is_boot(line_.boot);
  }
  if (!from_ || !to_ || *from_ == 0 || *from_ > *to_) return false;
  line_.kind = LineKind::unkept;
  line_.first = *from_;
  line_.seq = *to_;
  return true;
}

// rx 192.0.2.1:443, tx [2001:db8::1]:443
std::optional<std::string> redacted_service(std::string_view text,
                                            const engine::AddressPermutation& redactor) {
  const std::size_t blank = text.find(' ');
  const std::size_t colon = text.rfind(':');
  if (blank == text.npos || colon == text.npos || colon < blank) return std::nullopt;
  std::string_view address = text.substr(blank + 1, colon - blank - 1);
  const bool brackets = address.size() >= 2 && address.front() == '[' && address.back() == ']';
  if (brackets) address = address.substr(1, address.size() - 2);
  const auto replaced = redactor.address(address);
  // A service of this host's own has no address: rx *:443.
  if (!replaced) return address == "*" ? std::optional(std::string(text)) : std::nullopt;
  std::string service(text.substr(0, blank + 1));
  service += brackets ? "[" + *replaced + "]" : *replaced;
  return service.append(text.substr(colon));
}

}  // namespace

std::optional<WatchLine> parse_watch_line(std::string_view text) {
  if (text.empty() || text.size() > kMostLineBytes) return std::nullopt;
  WatchLine line;
  rapidjson::MemoryStream stream(text.data(), text.size());
  Handler handler(text, stream, line);
  rapidjson::Reader reader;
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  const auto parsed = reader.Parse<kFlags>(stream, handler);
  // Forwarding appends a member: there has to be one, and nothing behind the object.
  if (parsed.IsError() || stream.Tell() != text.size() || text.back() != '}') return std::nullopt;
  if (!handler.finish()) return std::nullopt;
  return line;
}

std::optional<std::string> redacted(std::string_view text, WatchLine& parsed,
                                    const engine::AddressPermutation& redactor) {
  std::string result;
  result.reserve(text.size() + 64);
  std::size_t copied = 0;
  for (const WatchLine::Place& place : parsed.addresses) {
    const std::string_view value = text.substr(place.begin, place.size);
    const auto replaced =
        place.service ? redacted_service(value, redactor) : redactor.address(value);
    if (!replaced) return std::nullopt;
    result.append(text.substr(copied, place.begin - copied)).append(*replaced);
    copied = place.begin + place.size;
  }
  if (!parsed.service_address.empty()) {
    const auto address = redactor.address(parsed.service_address);
    if (!address) return std::nullopt;
    parsed.service_address = *address;
  }
  return result.append(text.substr(copied));
}

}  // namespace tcpeek::forward
