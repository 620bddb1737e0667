// What is told of a tcpeek that does not let us watch.
#include "engine/forward/watch_source.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <string_view>

#include "engine/output/line_writer.h"
#include "engine/output/log.h"
#include "ring/descriptor.h"
#include "tests/engine/base/text_file.h"

namespace tcpeek::forward {
namespace {

using namespace std::chrono_literals;

// A socket that gives every client the same answer, and closes it.
class Answering {
 public:
  explicit Answering(std::string_view answer)
      : answer_(answer), listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as bind(2) wants it
    const auto* const name = reinterpret_cast<const sockaddr*>(&address);
    if (::bind(listener_.get(), name, sizeof address) != 0 || ::listen(listener_.get(), 1) != 0) {
      ring::throw_errno("bind");
    }
  }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;
  ~Answering() { ::unlink(path.c_str()); }

  void answer() const {
    const ring::Descriptor client(::accept(listener_.get(), nullptr, nullptr));
    std::array<char, 64> request{};
    EXPECT_GT(::recv(client.get(), request.data(), request.size(), 0), 0);
    EXPECT_EQ(::send(client.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(answer_.size()));
  }

  const std::string path = ::testing::TempDir() + "watch_source." + std::to_string(::getpid());

 private:
  const std::string answer_;
  const ring::Descriptor listener_;
};

// What is logged of such an answer.
std::string said_of(std::string_view answer) {
  const Answering tcpeek(answer);
  const engine::test::TextFile file;
  engine::LineWriter writer(file.descriptor());
  engine::Log log(writer, LOG_NOTICE, false, "tcpeek-forward");
  Window window{{}};
  Presence presence;
  Counters counters;
  Converter converter({.host = "h", .redactor = {}}, window, presence, counters);
  WatchSource source(tcpeek.path, {}, true, converter, window, presence, counters, log);
  const WatchSource::Clock::time_point now = WatchSource::Clock::now();
  source.turn(now, true);
  tcpeek.answer();
  source.turn(now, true);
  EXPECT_EQ(source.descriptor(), -1);
  std::string said = file.text();
  if (const std::size_t at = said.find(tcpeek.path); at != std::string::npos) {
    said.replace(at, tcpeek.path.size(), "PATH");
  }
  return said;
}

TEST(WatchSourceTest, ARefusalWithoutANewlineIsTold) {
  EXPECT_EQ(
      said_of(R"({"error":"WATCH: all 16 places are taken; try again when a watcher has left"})"),
      "tcpeek-forward: tcpeek refuses: WATCH: all 16 places are taken; try again when a watcher "
      "has "
      "left; trying again\n");
}

TEST(WatchSourceTest, WhoDoesNotKnowWatchIsTold) {
  EXPECT_EQ(said_of(R"([{"RX":{}}])"),
            "tcpeek-forward: what answers at 'PATH' does not know WATCH; trying again\n");
}

TEST(WatchSourceTest, AnEndWithoutAWordIsThat) {
  EXPECT_EQ(said_of(""), "tcpeek-forward: tcpeek has closed the connection; trying again\n");
}

}  // namespace
}  // namespace tcpeek::forward
