#include "engine/output/redactor.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace tcpeek::engine {
namespace {

constexpr std::size_t kMostFilterSets = 1024;
constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kV6 = "0123456789abcdefABCDEF:.";

bool is_digit(char c) noexcept {
  return kDigits.find(c) != std::string_view::npos;
}

// "10.0.0.1" at the beginning, leading zeros or not: its length, and its bytes.
std::size_t read_v4(std::string_view text, std::array<std::uint8_t, 4>& address) noexcept {
  std::size_t at = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0 && (at >= text.size() || text[at++] != '.')) return 0;
    unsigned value = 0;
    std::size_t digits = 0;
    while (at < text.size() && is_digit(text[at]) && digits < 4) {
      value = value * 10 + static_cast<unsigned>(text[at++] - '0');
      ++digits;
    }
    if (digits == 0 || digits > 3 || value > 255) return 0;
    address.at(i) = static_cast<std::uint8_t>(value);
  }
  return at;
}

// The longest address at the beginning.
std::size_t read_v6(std::string_view text, std::array<std::uint8_t, 16>& address) noexcept {
  const std::size_t end = std::min(text.find_first_not_of(kV6), text.size());
  if (std::ranges::count(text.substr(0, end), ':') < 2) return 0;
  for (std::size_t size = std::min<std::size_t>(end, INET6_ADDRSTRLEN - 1); size >= 2; --size) {
    const std::string candidate(text.substr(0, size));
    if (::inet_pton(AF_INET6, candidate.c_str(), address.data()) == 1) return size;
  }
  return 0;
}

}  // namespace

Redactor::Numbers Redactor::number(Networks& networks, const Bytes& network, const Bytes& host) {
  constexpr auto kLast = static_cast<std::uint32_t>(kMostNumbers - 1);
  const auto known = networks.find(network);
  if (known == networks.end()) {
    if (numbers_ >= kMostNumbers) return {.network = kLast, .host = 1};
    ++numbers_;
    const auto next = static_cast<std::uint32_t>(networks.size());
    networks[network].number = next;
  }
  Network& its = networks[network];
  if (host == Bytes{}) return {.network = its.number, .host = 0};
  const auto there = its.hosts.find(host);
  if (there != its.hosts.end()) return {.network = its.number, .host = there->second};
  if (numbers_ >= kMostNumbers) return {.network = kLast, .host = 1};
  ++numbers_;
  const auto next = static_cast<std::uint32_t>(its.hosts.size() + 1);
  its.hosts.emplace(host, next);
  return {.network = its.number, .host = next};
}

std::string Redactor::replace_v4(const std::uint8_t* address) {
  Bytes network{};
  Bytes host{};
  std::copy_n(address, 3, network.begin());
  host[0] = address[3];
  if (network == Bytes{} && host == Bytes{}) return "0.0.0.0";
  const Numbers its = number(v4_, network, host);
  return fmt::format("{}.{}.{}.{}", 240 + (its.network >> 16), its.network >> 8 & 0xff,
                     its.network & 0xff, its.host);
}

std::string Redactor::replace_v6(const Bytes& address) {
  const auto* raw = reinterpret_cast<const in6_addr*>(address.data());
  if (IN6_IS_ADDR_V4MAPPED(raw)) return "::ffff:" + replace_v4(&address[12]);
  if (address == Bytes{}) return "::";
  Bytes network{};
  Bytes host{};
  std::copy_n(address.begin(), 6, network.begin());
  std::copy(address.begin() + 6, address.end(), host.begin());
  const Numbers its = number(v6_, network, host);
  const std::string prefix =
      fmt::format("100:{:x}:{:x}::", its.network >> 16, its.network & 0xffff);
  if (its.host == 0) return prefix;
  if (its.host <= 0xffff) return fmt::format("{}{:x}", prefix, its.host);
  return fmt::format("{}{:x}:{:x}", prefix, its.host >> 16, its.host & 0xffff);
}

Redactor::Found Redactor::find_v4(std::string_view text) {
  std::array<std::uint8_t, 4> address{};
  const std::size_t length = read_v4(text, address);
  if (length == 0) return {};
  return {length, replace_v4(address.data())};
}

Redactor::Found Redactor::find_v6(std::string_view text) {
  Bytes address{};
  const std::size_t length = read_v6(text, address);
  if (length == 0) return {};
  return {length, replace_v6(address)};
}

std::string Redactor::text(std::string_view text) {
  std::string redacted;
  redacted.reserve(text.size());
  bool in_number = false;  // no address begins there
  while (!text.empty()) {
    Found found;
    if (kV6.find(text.front()) != std::string_view::npos) found = find_v6(text);
    if (found.length == 0 && !in_number && is_digit(text.front())) found = find_v4(text);
    in_number = is_digit(text.front());
    if (found.length == 0) {
      redacted += text.front();
      text.remove_prefix(1);
      continue;
    }
    redacted += found.replacement;
    text.remove_prefix(found.length);
  }
  return redacted;
}

void Redactor::event(ipc::OutcomeEvent& event) {
  event.initiator.address = text(event.initiator.address);
  event.responder.address = text(event.responder.address);
  if (event.icmp) event.icmp->router = text(event.icmp->router);
  event.interface = text(event.interface);
  if (event.filters == nullptr) return;
  if (filters_.size() >= kMostFilterSets) filters_.clear();
  ipc::SharedFilters& filters = filters_[event.filters];
  if (filters == nullptr) {
    std::vector<std::string> names;
    for (const std::string& name : event.filters->names()) names.push_back(text(name));
    filters = ipc::filters_named(std::move(names));
  }
  event.filters = filters;
}

}  // namespace tcpeek::engine
