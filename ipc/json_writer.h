// Writes JSON from beginning to end, without a tree in memory: to build and write a tree of a thousand
// filters takes five to ten times as long as to write the text, and clients may ask for one as
// often as they like.
//
// The caller says what comes next: members within an object, items within an array. Commas and
// brackets follow from that. Names are our own literals, written as they are; strings from elsewhere
// are quoted (json_text.h).
//
// Thread contract: a plain value, of one thread.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ipc/json_text.h"

namespace tcpeek::ipc {

class JsonWriter {
 public:
  // `room`: a string that is no longer needed, whose memory is used again.
  explicit JsonWriter(std::size_t expected_bytes, std::string room = {}) : text_(std::move(room)) {
    text_.clear();
    text_.reserve(expected_bytes);
  }

  // An object: the whole text, or an item of an array.
  template <std::invocable Members>
  void object(Members&& members) {
    separate();
    enclose('{', '}', std::forward<Members>(members));
  }

  // Members of an object.
  template <std::invocable Members>
  void object(std::string_view name, Members&& members) {
    begin_member(name);
    enclose('{', '}', std::forward<Members>(members));
  }
  template <std::invocable Items>
  void array(std::string_view name, Items&& items) {
    begin_member(name);
    enclose('[', ']', std::forward<Items>(items));
  }
  template <std::integral Number>
  void member(std::string_view name, Number value) {
    begin_member(name);
    if constexpr (std::same_as<Number, bool>) {
      text_ += value ? "true" : "false";
    } else {
      const fmt::format_int digits(value);
      text_.append(digits.data(), digits.size());
    }
  }
  void member(std::string_view name, std::string_view value) {
    begin_member(name);
    append_json_quoted(text_, value);
  }
  void member(std::string_view name, Elapsed value) {
    begin_member(name);
    append_json_seconds(text_, value);
  }
  // In RFC 3339, or null.
  void time_member(std::string_view name,
                   const std::optional<std::chrono::system_clock::time_point>& time) {
    if (!time) return null_member(name);
    begin_member(name);
    text_ += '"';
    append_rfc3339_utc(text_, *time);
    text_ += '"';
  }
  void null_member(std::string_view name) {
    begin_member(name);
    text_ += "null";
  }

  // A member whose value is JSON text already.
  void raw_member(std::string_view name, std::string_view text) {
    begin_member(name);
    text_ += text;
  }

  // An item of an array that is JSON text already.
  void item(std::string_view text) {
    separate();
    text_ += text;
  }

  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  template <typename Content>
  void enclose(char open, char close, Content&& content) {
    text_ += open;
    std::forward<Content>(content)();
    text_ += close;
  }

  // Nothing that was written ends in an opening bracket but an opening bracket: strings end in a quote.
  [[nodiscard]] bool follows() const noexcept {
    return !text_.empty() && text_.back() != '{' && text_.back() != '[';
  }
  void separate() {
    if (follows()) text_ += ',';
  }

  // In one piece: names are half of what a reply of numbers takes to write.
  void begin_member(std::string_view name) {
    const std::string_view before = follows() ? ",\"" : "\"";
    const std::size_t at = text_.size();
    text_.resize(at + before.size() + name.size() + 2);
    char* out = std::ranges::copy(before, text_.data() + at).out;
    out = std::ranges::copy(name, out).out;
    *out++ = '"';
    *out = ':';
  }

  std::string text_;
};

}  // namespace tcpeek::ipc
