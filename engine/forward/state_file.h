// Where to resume after a restart, in a small file: what the stream has acknowledged, and where to read back from.
//
// How it works: written aside, synced and renamed, so that there is the old content or the new one. A lock
// beside it keeps two forwarders from using it at once.
//
//   {"version":1,"host":"web1","boot":"…","seq":57,"stream":"TCPEEK","stream_created":…,"stored_after":1234}
//
// Thread contract: of one thread.
// Errors: std::system_error naming the call and the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/forward/window.h"
#include "ring/descriptor.h"

namespace tcpeek::forward {

struct State {
  std::string host;
  std::string stream;
  std::int64_t stream_created = 0;  // nanoseconds since 1970: a stream made anew is another one
  Progress progress;

  friend bool operator==(const State&, const State&) = default;
};

[[nodiscard]] std::string to_text(const State& state);
// None: it is none.
[[nodiscard]] std::optional<State> parse_state(std::string_view text);

class StateFile {
 public:
  // Takes the lock. Throws std::system_error if another process has it.
  explicit StateFile(std::string path);

  enum class Found { nothing, state, damage };
  [[nodiscard]] Found read(State& state) const;
  void write(const State& state) const;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  const std::string path_;
  ring::Descriptor lock_;
};

}  // namespace tcpeek::forward
