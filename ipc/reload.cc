#include "ipc/reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "ipc/json_writer.h"
#include "ipc/request.h"

namespace tcpeek::ipc {
namespace {

constexpr std::size_t kMostNamed = 10;

ReloadRequest refused(std::string error) {
  return {.arguments = {}, .error = std::move(error)};
}

std::vector<std::string> words_of(std::string_view body) {
  std::vector<std::string> words;
  while (!body.empty()) {
    const std::size_t end = body.find('\0');
    words.emplace_back(body.substr(0, end));
    body.remove_prefix(end + 1);
  }
  return words;
}

void write_list(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.array(name, [&] {
    for (const std::string& text : texts) json.item(json_quoted(text));
  });
}

std::string named(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kMostNamed);
  std::string text = fmt::format(
      "{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (shown < names.size()) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

// "2 filters added (a, b)"; nothing if there are none.
void tell(std::vector<std::string>& parts, const std::vector<std::string>& names,
          std::string_view one, std::string_view many, std::string_view what) {
  if (names.empty()) return;
  parts.push_back(fmt::format("{} {} {} ({})", names.size(), names.size() == 1 ? one : many, what,
                              named(names)));
}

}  // namespace

std::optional<ReloadRequest> parse_reload_request(std::string_view request) {
  const std::size_t line_end = request.find('\n');
  const std::string_view line = request.substr(0, line_end);
  if (!arguments_of(line, kReloadWord)) return std::nullopt;
  if (line_end == std::string_view::npos) {
    if (announced_body(line, kMaxBodyBytes)) {
      return refused("RELOAD: only root and the user that tcpeek runs as may change its filters");
    }
    return refused(
        fmt::format("RELOAD: needs a number of bytes from 1 to {}, then that many bytes; use "
                    "tcpeek --reload, which sends them",
                    kMaxBodyBytes));
  }
  const std::string_view body = request.substr(line_end + 1);
  if (!body.ends_with('\0')) return refused("RELOAD: the last word is not ended by a zero byte");
  return ReloadRequest{.arguments = words_of(body), .error = {}};
}

std::string reload_request(std::span<const std::string> arguments) {
  std::string body;
  for (const std::string& argument : arguments) body.append(argument).append(1, '\0');
  return fmt::format("{} {}\n", kReloadWord, body.size()) + body;
}

std::string reload_reply(const ReloadReport& report) {
  JsonWriter json(4096);
  json.object([&] {
    json.object("reload", [&] {
      write_list(json, "added", report.added);
      write_list(json, "removed", report.removed);
      write_list(json, "restarted", report.restarted);
      json.member("kept", report.kept);
      write_list(json, "exclusions_added", report.exclusions_added);
      write_list(json, "exclusions_removed", report.exclusions_removed);
      write_list(json, "options", report.options);
    });
  });
  return std::move(json).take();
}

ReloadAnswer read_reload_reply(std::string_view reply) {
  if (reply.empty()) return {.report = {}, .error = "it closed the connection without a reply"};
  const auto tree = nlohmann::json::parse(reply, nullptr, false);
  try {
    // The original, and versions without this word, answer any word like GET.
    if (tree.is_array()) {
      return {.report = {},
              .error = "that tcpeek is too old for --reload: upgrade it, and restart it"};
    }
    if (tree.contains("error")) return {.report = {}, .error = tree.at("error").get<std::string>()};
    const auto& told = tree.at("reload");
    ReloadReport report;
    told.at("added").get_to(report.added);
    told.at("removed").get_to(report.removed);
    told.at("restarted").get_to(report.restarted);
    told.at("kept").get_to(report.kept);
    told.at("exclusions_added").get_to(report.exclusions_added);
    told.at("exclusions_removed").get_to(report.exclusions_removed);
    told.at("options").get_to(report.options);
    return {.report = std::move(report), .error = {}};
  } catch (const nlohmann::json::exception&) {
    return {.report = {}, .error = "its reply cannot be read: is it a different version?"};
  }
}

std::string in_words(const ReloadReport& report) {
  std::vector<std::string> parts;
  tell(parts, report.added, "filter", "filters", "added");
  tell(parts, report.removed, "filter", "filters", "removed");
  tell(parts, report.restarted, "filter", "filters", "started over");
  tell(parts, report.exclusions_added, "exclusion", "exclusions", "added");
  tell(parts, report.exclusions_removed, "exclusion", "exclusions", "removed");
  if (!report.options.empty()) parts.push_back("changed: " + named(report.options));
  if (parts.empty()) parts.emplace_back("nothing changed");
  parts.push_back(fmt::format("{} filter{} kept", report.kept, report.kept == 1 ? "" : "s"));
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace tcpeek::ipc
