#include "ipc/http_request.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace tcpeek::ipc {
namespace {

constexpr std::string_view kBlanks = " \t";
// Qualities in thousandths: RFC 9110 allows three digits.
constexpr unsigned kWhole = 1000;

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_word(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, {}, lower, lower);
}

// Cuts off what comes before the next `separator`, and it.
std::string_view take_until(std::string_view& text, char separator) noexcept {
  const std::size_t end = text.find(separator);
  const std::string_view piece = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return trimmed(piece);
}

// "0.75": 750. What is no quality is none at all: 0.
unsigned quality(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return 0;
  if (text.size() > 1 && text[1] != '.') return 0;
  unsigned value = text[0] == '1' ? kWhole : 0;
  unsigned worth = kWhole / 10;
  for (const char c : text.substr(std::min<std::size_t>(text.size(), 2))) {
    if (c < '0' || c > '9') return 0;
    value += static_cast<unsigned>(c - '0') * worth;
    worth /= 10;
  }
  return std::min(value, kWhole);
}

// One item of Accept or of Accept-Encoding.
struct Offer {
  std::string_view name;
  std::string_view version;
  unsigned quality = kWhole;
};

Offer read_offer(std::string_view text) noexcept {
  Offer offer;
  offer.name = take_until(text, ';');
  while (!text.empty()) {
    std::string_view value = take_until(text, ';');
    const std::string_view name = take_until(value, '=');
    value = trimmed(value);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    if (same_word(name, "q")) offer.quality = quality(value);
    if (same_word(name, "version")) offer.version = value;
  }
  return offer;
}

template <typename Fn>
void for_offers(std::string_view list, Fn&& fn) noexcept {
  while (!list.empty()) {
    const Offer offer = read_offer(take_until(list, ','));
    if (!offer.name.empty()) fn(offer);
  }
}

bool wants_openmetrics(std::string_view accept) noexcept {
  unsigned open = 0;
  unsigned plain = 0;
  for_offers(accept, [&](const Offer& offer) {
    if (same_word(offer.name, "application/openmetrics-text") &&
        (offer.version.empty() || offer.version == "1.0.0")) {
      open = std::max(open, offer.quality);
    }
    if (same_word(offer.name, "text/plain")) plain = std::max(plain, offer.quality);
  });
  return open > 0 && open >= plain;
}

bool wants_gzip(std::string_view accept_encoding) noexcept {
  unsigned named = 0;
  unsigned any = 0;
  bool is_named = false;
  for_offers(accept_encoding, [&](const Offer& offer) {
    if (same_word(offer.name, "gzip") || same_word(offer.name, "x-gzip")) {
      named = std::max(named, offer.quality);
      is_named = true;
    }
    if (offer.name == "*") any = std::max(any, offer.quality);
  });
  return (is_named ? named : any) > 0;
}

}  // namespace

HttpPage page_of(std::string_view target) noexcept {
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/metrics") return HttpPage::metrics;
  if (path == "/healthz") return HttpPage::health;
  return HttpPage::none;
}

MetricsRequest negotiate(std::string_view accept, std::string_view accept_encoding) noexcept {
  return {.form = wants_openmetrics(accept) ? MetricsForm::openmetrics : MetricsForm::prometheus,
          .gzip = wants_gzip(accept_encoding)};
}

std::string_view content_type(MetricsForm form) noexcept {
  switch (form) {
    case MetricsForm::openmetrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case MetricsForm::prometheus:
      return "text/plain; version=0.0.4; charset=utf-8";
  }
  return "";
}

}  // namespace tcpeek::ipc
