// A request fed in pieces: the framer says what it says of the whole, and what a reading of its
// documentation says, whatever the pieces are and whatever comes after. Then its arguments, if it is WATCH or
// DELTA: a request that means the same when it is written down again, or one printable line of what is wrong.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/text.h"
#include "engine/serve/delta_replies.h"
#include "engine/serve/watch_request.h"
#include "ipc/reload.h"
#include "ipc/request.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/provided.h"

namespace tcpeek::fuzz {
namespace {

using ipc::RequestFramer;
using State = RequestFramer::State;

struct Answer {
  State state = State::need_more;
  std::string request;  // of a complete one
};

std::string trimmed(std::string_view line) {
  const auto blank = [](char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
  };
  while (!line.empty() && blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  return std::string(line);
}

// How many bytes a line says that follow; 0: none.
std::size_t announced(const std::string& line, std::size_t most) {
  constexpr std::string_view kWord = "RELOAD";
  if (!line.starts_with(kWord) || line.size() == kWord.size()) return 0;
  const std::string number = trimmed(line.substr(kWord.size()));
  if (number.size() + kWord.size() == line.size()) return 0;
  std::size_t bytes = 0;
  for (const char c : number) {
    if (c < '0' || c > '9') return 0;
    bytes = std::min<std::size_t>(10 * bytes + static_cast<std::size_t>(c - '0'), most + 1);
  }
  return bytes > most ? 0 : bytes;
}

Answer with_body(const std::string& line, std::size_t length, std::string_view rest, bool ended) {
  if (length == 0) return {State::complete, line};
  if (rest.size() >= length) {
    return {State::complete, line + '\n' + std::string(rest.substr(0, length))};
  }
  return {ended ? State::unfinished : State::need_more, {}};
}

// What ipc/request.h promises of `bytes` and then, if `ended`, the end of input.
Answer expected(std::string_view bytes, bool ended, std::size_t most, std::size_t most_body) {
  for (std::size_t i = 0; i < std::min(bytes.size(), most); ++i) {
    if (bytes[i] != '\n') continue;
    const std::string line = trimmed(bytes.substr(0, i));
    return with_body(line, announced(line, most_body), bytes.substr(i + 1), ended);
  }
  if (bytes.size() > most) return {State::too_long, {}};
  if (!ended) return {State::need_more, {}};
  if (bytes.empty()) return {State::unfinished, {}};
  return {State::complete, trimmed(bytes)};
}

// The words of a RELOAD are its body cut at zero bytes, and framed again they are the same request.
void expect_reload(const std::string& request) {
  const auto reload = ipc::parse_reload_request(request);
  const std::size_t line_end = request.find('\n');
  if (!reload || line_end == std::string::npos) {
    EXPECT_TRUE(!reload || !reload->error.empty());
    return;
  }
  const std::string body = request.substr(line_end + 1);
  EXPECT_EQ(reload->error.empty(), body.ends_with('\0'));
  if (!reload->error.empty()) return;
  std::string words;
  for (const std::string& word : reload->arguments) words.append(word).append(1, '\0');
  EXPECT_EQ(words, body);
  const std::string again = ipc::reload_request(reload->arguments);
  EXPECT_EQ(again.substr(again.find('\n') + 1), body);
}

void expect(const RequestFramer& framer, const Answer& answer) {
  EXPECT_EQ(framer.state(), answer.state);
  if (answer.state == State::complete) {
    EXPECT_EQ(framer.request(), answer.request);
    expect_reload(answer.request);
    EXPECT_EQ(framer.word(), answer.request.substr(0, answer.request.find('\n')));
  } else {
    EXPECT_EQ(framer.word(), "");
  }
}

std::vector<std::string> filter_names() {
  return {"RX", "TX", "web", "\xc3\xa9\x1b"};
}

void expect_mistake(const std::string& text, std::string_view word) {
  EXPECT_TRUE(text.starts_with(word));
  EXPECT_EQ(engine::printable(text), text);
  EXPECT_LT(text.size(), 1000U);
}

// The same request in other words.
std::string written(const ipc::WatchRequest& request) {
  std::string text = "WATCH";
  if (request.from) text += " from=" + std::to_string(*request.from);
  if (request.kinds != ipc::EventKinds::all()) {
    text += " result=";
    for (const ipc::NamedKinds& named : ipc::kNamedKinds) {
      ipc::EventKinds both = request.kinds;
      both |= named.kinds;
      if (both == request.kinds) text.append(named.name).append(1, ',');
    }
    text.pop_back();
  }
  if (request.filter) text += " filter=" + *request.filter;
  return text + " json";
}

void expect_watch(std::string_view line) {
  const auto parsed = engine::parse_watch_request(line, filter_names);
  EXPECT_EQ(parsed.has_value(), ipc::arguments_of(line, "WATCH").has_value());
  if (!parsed) return;
  if (const auto* mistake = std::get_if<engine::WatchMistake>(&*parsed)) {
    return expect_mistake(mistake->text, "WATCH: ");
  }
  const auto& request = std::get<ipc::WatchRequest>(*parsed);
  const auto again = engine::parse_watch_request(written(request), filter_names);
  EXPECT_TRUE(again && std::holds_alternative<ipc::WatchRequest>(*again));
  EXPECT_EQ(std::get<ipc::WatchRequest>(*again), request);
}

void expect_delta(std::string_view line) {
  const auto request = engine::parse_delta_request(line);
  EXPECT_EQ(request.has_value(), ipc::arguments_of(line, "DELTA").has_value());
  if (!request) return;
  EXPECT_NE(request->name.empty(), request->error.empty());
  if (!request->error.empty()) return expect_mistake(request->error, "DELTA: ");
  EXPECT_EQ(engine::parse_delta_request("DELTA " + request->name)->name, request->name);
}

}  // namespace

void run(FuzzedDataProvider& input) {
  constexpr std::array<std::size_t, 4> kMost{1, 7, 64, ipc::kMaxRequestBytes};
  constexpr std::array<std::size_t, 4> kMostBody{0, 5, 300, ipc::kMaxBodyBytes};
  const std::size_t most = pick(input, kMost);
  const bool ended = input.ConsumeBool();
  const std::size_t most_body = pick(input, kMostBody);
  const std::size_t pieces = input.ConsumeIntegral<std::uint8_t>();
  std::vector<std::size_t> lengths(pieces);
  for (std::size_t& length : lengths) length = input.ConsumeIntegral<std::uint8_t>();
  const std::string bytes = input.ConsumeRemainingBytesAsString();

  RequestFramer whole(most, most_body);
  EXPECT_EQ(whole.feed(bytes), whole.state());
  RequestFramer framer(most, most_body);
  std::string_view left = bytes;
  for (const std::size_t length : lengths) {
    // A copy: what was fed may be gone at once.
    const std::string piece(left.substr(0, length));
    EXPECT_EQ(framer.feed(piece), framer.state());
    left.remove_prefix(piece.size());
    expect(framer, expected(std::string_view(bytes).substr(0, bytes.size() - left.size()), false,
                            most, most_body));
  }
  framer.feed(left);
  for (RequestFramer* one : {&whole, &framer}) {
    expect(*one, expected(bytes, false, most, most_body));
    if (ended) one->end_of_input();
    const Answer answer = expected(bytes, ended, most, most_body);
    expect(*one, answer);
    if (answer.state == State::need_more) continue;
    one->feed("GET\n");  // a final state is final
    one->end_of_input();
    expect(*one, answer);
  }
  for (const std::string_view line : {framer.word(), std::string_view(bytes)}) {
    expect_watch(line);
    expect_delta(line);
  }
  expect_watch("WATCH " + bytes);
  expect_delta("DELTA " + bytes);
}

}  // namespace tcpeek::fuzz
