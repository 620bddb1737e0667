#include "engine/forward/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <rapidjson/document.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "engine/base/read_text.h"
#include "engine/base/text.h"
#include "engine/base/write_all.h"
#include "ipc/json_text.h"

namespace tcpeek::forward {
namespace {

constexpr std::size_t kMostBytes = 4096;
constexpr mode_t kMode = 0600;

using engine::in_quotes;

std::optional<std::string> text_of(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsString()) return std::nullopt;
  return std::string(member->value.GetString(), member->value.GetStringLength());
}

std::optional<std::uint64_t> number_of(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsUint64()) return std::nullopt;
  return member->value.GetUint64();
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::string to_text(const State& state) {
  return fmt::format(
      R"({{"version":1,"host":{},"boot":{},"seq":{},"stream":{},"stream_created":{},"stored_after":{}}})"
      "\n",
      ipc::json_quoted(state.host), ipc::json_quoted(state.progress.position.boot),
      state.progress.position.seq, ipc::json_quoted(state.stream), state.stream_created,
      state.progress.stored_after);
}

std::optional<State> parse_state(std::string_view text) {
  if (text.size() > kMostBytes) return std::nullopt;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  if (document.HasParseError() || !document.IsObject()) return std::nullopt;
  auto host = text_of(document, "host");
  auto boot = text_of(document, "boot");
  auto stream = text_of(document, "stream");
  const auto seq = number_of(document, "seq");
  const auto created = number_of(document, "stream_created");
  const auto after = number_of(document, "stored_after");
  if (number_of(document, "version") != 1U || !host || !boot || !stream || !seq || !created ||
      !after) {
    return std::nullopt;
  }
  return State{std::move(*host), std::move(*stream), static_cast<std::int64_t>(*created),
               Progress{{std::move(*boot), *seq}, *after}};
}

StateFile::StateFile(std::string path) : path_(std::move(path)) {
  const std::string lock = path_ + ".lock";
  lock_ = ring::Descriptor(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kMode));
  if (lock_.get() < 0) {
    ring::throw_errno(
        "cannot open " + in_quotes(lock) +
        " (it lies beside the file of --state, whose folder must be there and writable)");
  }
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return;
  ring::throw_errno("cannot lock " + in_quotes(lock) +
                    ", which another tcpeek-forward may be using: give each its own --state");
}

StateFile::Found StateFile::read(State& state) const {
  std::string text;
  try {
    text = engine::read_text(path_, kMostBytes);
  } catch (const std::length_error&) {
    return Found::damage;
  } catch (const std::system_error& e) {
    if (e.code() == std::errc::no_such_file_or_directory) return Found::nothing;
    throw std::system_error(e.code(), "cannot read " + in_quotes(path_));
  }
  auto parsed = parse_state(text);
  if (!parsed) return Found::damage;
  state = std::move(*parsed);
  return Found::state;
}

void StateFile::write(const State& state) const {
  const std::string aside = path_ + ".new";
  {
    const ring::Descriptor file(
        ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kMode));
    if (file.get() < 0) ring::throw_errno("cannot open " + in_quotes(aside));
    if (!engine::write_all(file.get(), to_text(state))) {
      ring::throw_errno("cannot write " + in_quotes(aside));
    }
    if (::fsync(file.get()) != 0) ring::throw_errno("cannot sync " + in_quotes(aside));
  }
  if (std::rename(aside.c_str(), path_.c_str()) != 0) {
    ring::throw_errno("cannot rename " + in_quotes(aside) + " to " + in_quotes(path_));
  }
  const ring::Descriptor folder(
      ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) static_cast<void>(::fsync(folder.get()));  // some file systems have none
}

}  // namespace tcpeek::forward
