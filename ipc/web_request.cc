#include "ipc/web_request.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace tcpeek::ipc {
namespace {

using Kind = WebRequest::Kind;

constexpr std::size_t kMostValueBytes = 64;
constexpr std::size_t kMostParameters = 2;

// A parameter of a path, and what stands before its value in the socket's request.
struct Parameter {
  std::string_view name;
  std::string_view before;
};

struct Path {
  std::string_view path;
  Kind kind = Kind::none;
  std::string_view word;
  std::array<Parameter, kMostParameters> parameters{};
};

constexpr std::array<Path, 7> kPaths{{
    {"/", Kind::page, "", {}},
    {"/api/services", Kind::services, "", {}},
    {"/api/stats", Kind::reply, "STATS", {}},
    {"/api/explain", Kind::reply, "EXPLAIN", {}},
    {"/api/top", Kind::reply, "TOP", {{{"n", " "}, {"by", " by="}}}},
    {"/api/history", Kind::reply, "HISTORY", {{{"seconds", " "}}}},
    {"/api/watch", Kind::events, "WATCH json", {{{"result", " result="}, {"from", " from="}}}},
}};

bool is_value(std::string_view text) noexcept {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ',';
  };
  return !text.empty() && text.size() <= kMostValueBytes && std::ranges::all_of(text, allowed);
}

WebRequest mistake(const Path& path) {
  std::string text(path.path);
  text += ": allowed are";
  for (const Parameter& parameter : path.parameters) {
    if (parameter.name.empty()) continue;
    text.append(" ").append(parameter.name).append("=");
  }
  if (path.parameters.front().name.empty()) text += " no parameters";
  return {Kind::mistake, text + ", each once, with letters, digits, _ and , as values"};
}

WebRequest read_query(const Path& path, std::string_view query) {
  std::array<std::string_view, kMostParameters> values{};
  while (!query.empty()) {
    const std::string_view piece = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), piece.size() + 1));
    const std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos || equals == 0) return mistake(path);
    const auto* const known =
        std::ranges::find(path.parameters, piece.substr(0, equals), &Parameter::name);
    if (known == path.parameters.end()) return mistake(path);
    std::string_view& value = values.at(static_cast<std::size_t>(known - path.parameters.begin()));
    if (!value.empty() || !is_value(piece.substr(equals + 1))) return mistake(path);
    value = piece.substr(equals + 1);
  }
  WebRequest request{path.kind, std::string(path.word)};
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values.at(i).empty())
      request.text.append(path.parameters.at(i).before).append(values.at(i));
  }
  return request;
}

// The host of "host:port"; empty if it is none.
std::string_view without_port(std::string_view host) noexcept {
  const bool in_brackets = host.starts_with('[');
  const std::size_t end = in_brackets ? host.find(']') : host.find(':');
  if (in_brackets && end == std::string_view::npos) return {};
  const std::string_view port =
      host.substr(std::min(host.size(), end == std::string_view::npos ? end : end + in_brackets));
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!port.empty() &&
      (port.front() != ':' || port.size() > 6 || !std::ranges::all_of(port.substr(1), is_digit))) {
    return {};
  }
  return in_brackets ? host.substr(1, end - 1) : host.substr(0, end);
}

bool is_localhost(std::string_view name) noexcept {
  constexpr std::string_view kName = "localhost";
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::ranges::equal(name, kName, {}, lower);
}

using Address = std::array<std::uint8_t, 16>;

// IPv4 as it is mapped into IPv6, so that both ways to write an address are one.
std::optional<Address> parse(std::string_view text) noexcept {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size()) return std::nullopt;
  std::ranges::copy(text, terminated.begin());
  Address address{};
  if (::inet_pton(AF_INET6, terminated.data(), address.data()) == 1) return address;
  address[10] = address[11] = 0xff;
  if (::inet_pton(AF_INET, terminated.data(), &address[12]) == 1) return address;
  return std::nullopt;
}

bool is_loopback(const Address& address) noexcept {
  constexpr Address kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
  constexpr Address kLoopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return address == kLoopback || std::equal(address.begin(), address.begin() + 13, kMapped.begin());
}

}  // namespace

WebRequest web_request_of(std::string_view target) {
  const std::size_t question = target.find('?');
  const auto* const path = std::ranges::find(kPaths, target.substr(0, question), &Path::path);
  if (path == kPaths.end()) return {};
  const std::string_view query =
      question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  // Whoever links to the page may add what he likes.
  if (path->kind == Kind::page) return {Kind::page, {}};
  return read_query(*path, query);
}

bool is_own_host(std::string_view host, std::string_view connected_to) noexcept {
  const std::string_view name = without_port(host);
  if (is_localhost(name)) return true;
  const auto address = parse(name);
  return address && (is_loopback(*address) || address == parse(connected_to));
}

}  // namespace tcpeek::ipc
