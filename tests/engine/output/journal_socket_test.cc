// Messages with fields, to a journal of the test's: they go there, or as plain lines where they cannot.
#include "engine/output/journal_socket.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <optional>
#include <string>

#include "engine/output/log.h"
#include "tests/engine/base/environment.h"
#include "tests/engine/base/text_file.h"
#include "tests/ipc/support.h"

namespace tcpeek::engine {
namespace {

using test::Environment;
using test::TextFile;

std::string name_of(const TextFile& file) {
  struct stat found {};
  if (::fstat(file.descriptor(), &found) != 0) ring::throw_errno("fstat");
  return fmt::format("{}:{}", found.st_dev, found.st_ino);
}

class JournalSocketTest : public testing::Test {
 protected:
  void listen() {
    journal_ = ipc::test::unix_socket(SOCK_DGRAM);
    ASSERT_EQ(ipc::test::bind_to(journal_.get(), path_), 0);
  }

  // The next message, if there is one now.
  [[nodiscard]] std::optional<std::string> taken() const {
    std::array<char, 4096> buffer{};
    const auto n = ::recv(journal_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    return n < 0 ? std::nullopt
                 : std::optional(std::string(buffer.data(), static_cast<std::size_t>(n)));
  }

  const ipc::test::TempDir dir_;
  const std::string path_ = dir_ / "socket";
  ipc::UniqueFd journal_;
  const TextFile file_;
  const JournalEntry entry_{.message_id = kLossMessage, .fields = {{"TCPEEK_LOST", "7"}}};
};

TEST_F(JournalSocketTest, AMessageWithFieldsGoesToTheJournalAlone) {
  listen();
  const Environment stream("JOURNAL_STREAM", name_of(file_).c_str());
  LineWriter writer(file_.descriptor());
  Log log(writer, LOG_INFO, false);
  log.open_journal(path_);
  log.write(LOG_WARNING, "lost \x1b 7", entry_);
  EXPECT_EQ(taken(), journal_datagram(LOG_WARNING, "lost \\x1b 7", entry_));
  EXPECT_EQ(file_.text(), "");
  log.write(LOG_DEBUG, "below the level", entry_);
  EXPECT_EQ(taken(), std::nullopt);
  log.warning("without fields");
  EXPECT_EQ(taken(), std::nullopt);
  EXPECT_EQ(file_.text(), "<4>without fields\n");
}

TEST_F(JournalSocketTest, WhatTheJournalDoesNotTakeIsAPlainLine) {
  const Environment stream("JOURNAL_STREAM", name_of(file_).c_str());
  LineWriter writer(file_.descriptor());
  Log log(writer, LOG_INFO, false);
  log.open_journal(path_);  // there is none
  log.write(LOG_WARNING, "one", entry_);
  EXPECT_EQ(file_.text(), "<4>one\n");
  listen();
  log.write(LOG_WARNING, "two", entry_);
  EXPECT_TRUE(taken()) << "it has come back";
  EXPECT_EQ(file_.text(), "<4>one\n");
  // It hangs: its queue fills up, and nobody waits for it.
  for (int i = 0; i < 10'000 && file_.lines().size() < 2; ++i) {
    log.write(LOG_WARNING, "three", entry_);
  }
  EXPECT_EQ(file_.text(), "<4>one\n<4>three\n");
}

TEST_F(JournalSocketTest, WithoutAJournalBehindStandardErrorNothingGoesThere) {
  listen();
  LineWriter writer(file_.descriptor());
  {
    const Environment other("JOURNAL_STREAM", "1:1");
    Log log(writer, LOG_INFO, false);
    log.open_journal(path_);
    log.write(LOG_WARNING, "lost", entry_);
  }
  const Environment none("JOURNAL_STREAM", nullptr);
  Log log(writer, LOG_INFO, false);
  log.open_journal(path_);
  log.write(LOG_WARNING, "lost", entry_);
  EXPECT_EQ(taken(), std::nullopt);
  EXPECT_EQ(file_.text(), "tcpeek: lost\ntcpeek: lost\n");
}

TEST_F(JournalSocketTest, APathThatIsTooLongIsNone) {
  EXPECT_FALSE(JournalSocket::open(std::string(108, 'x')).is_open());
  EXPECT_TRUE(JournalSocket::open(std::string(107, 'x')).is_open());
  EXPECT_FALSE(JournalSocket().send(LOG_INFO, "x", {}));
}

}  // namespace
}  // namespace tcpeek::engine
