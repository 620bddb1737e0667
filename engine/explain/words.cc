#include "engine/explain/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace tcpeek::engine {
namespace {

bool is_v6(std::string_view address) noexcept {
  return address.find(':') != std::string_view::npos;
}

std::string duration(std::chrono::seconds time) {
  using namespace std::chrono_literals;
  if (time < 2min) return fmt::format("{} s", time.count());
  if (time < 2h) return fmt::format("{} min", time / 1min);
  if (time < 48h) return fmt::format("{} h", time / 1h);
  return fmt::format("{} days", time / 24h);
}

}  // namespace

std::string count_of(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string attempts(std::uint64_t count) {
  return count_of(count, "attempt", "attempts");
}

std::string name_of(const ipc::TopServiceRow& row) {
  if (is_v6(row.address)) return fmt::format("[{}]:{}", row.address, row.port);
  return fmt::format("{}:{}", row.address, row.port);
}

std::string share(const Case& about, std::uint64_t part, std::string_view what) {
  return fmt::format("{} of {} {} {} {}", part, attempts(std::max(about.service.attempts, part)),
                     period(about.input), part == 1 ? "was" : "were", what);
}

std::string period(const ExplainInput& input) {
  if (input.whole_file) return "in the file";
  using std::chrono::floor;
  using std::chrono::minutes;
  return fmt::format("in the last {} to {} minutes", floor<minutes>(input.recent_at_least).count(),
                     floor<minutes>(input.recent_at_most).count());
}

std::string ago(const ExplainInput& input, const ipc::TopTime& time) {
  if (!time) return "never";
  const auto age = std::chrono::floor<std::chrono::seconds>(input.taken - *time);
  const auto shown = duration(std::max(age, std::chrono::seconds(0)));
  return input.whole_file ? shown + " before the end of the file" : shown + " ago";
}

std::string_view near_place(const Case& about) noexcept {
  return about.service.own ? "this host" : "the near network";
}

std::string who(const ServiceFacts& service) {
  std::string text;
  for (const InitiatorFacts& initiator : service.initiators) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{} ({} of {})", initiator.address,
                        count_of(initiator.failures, "failure", "failures"),
                        attempts(std::max(initiator.attempts, initiator.failures)));
  }
  return text;
}

std::string worked_until(const Case& about) {
  const ipc::TopServiceRow& row = about.service.row;
  if (row.success == 0) {
    return fmt::format("nothing was seen to succeed there since it was first seen, {}",
                       ago(about.input, row.counting_since));
  }
  if (row.failing_since) {
    return fmt::format(
        "it worked until then: the last success was {}, the first failure after it {}",
        ago(about.input, row.last_success), ago(about.input, row.failing_since));
  }
  if (!succeeds(about.input, about.service)) {
    return fmt::format("the last success was {}, and none came since",
                       ago(about.input, row.last_success));
  }
  return fmt::format("others succeed meanwhile, the last one {}",
                     ago(about.input, row.last_success));
}

void limit_to_near_network(const Case& about, ipc::Finding& finding) {
  if (about.service.own) return;
  finding.limits.emplace_back(
      "this is not seen on the host itself: \"here\" is the near network, and a device between the "
      "capture and the host looks the same");
}

std::string list_listeners(std::uint16_t port) {
  return fmt::format("ss -ltnp 'sport = :{}'", port);
}

std::string try_port(const ipc::TopServiceRow& row) {
  return fmt::format("nc -vz -w 3 {} {}", row.address, row.port);
}

std::string trace_port(const ipc::TopServiceRow& row) {
  if (!is_v6(row.address)) return fmt::format("tcptraceroute -n {} {}", row.address, row.port);
  return fmt::format("traceroute -6 -n -T -p {} {}", row.port, row.address);
}

std::string trace_path(const ipc::TopServiceRow& row) {
  return fmt::format("mtr -n -r -T -P {} {}", row.port, row.address);
}

std::string look_up_route(std::string_view address) {
  return fmt::format("ip route get {}", address);
}

}  // namespace tcpeek::engine
