// When a descriptor leads to the journal, and what lines look like then.
#include "engine/base/journal.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "engine/output/line_writer.h"
#include "engine/output/log.h"
#include "tests/engine/base/environment.h"
#include "tests/engine/base/text_file.h"

namespace tcpeek::engine {
namespace {

using test::Environment;
using test::TextFile;

std::string name_of(const TextFile& file) {
  struct stat found {};
  if (::fstat(file.descriptor(), &found) != 0) ring::throw_errno("fstat");
  return fmt::format("{}:{}", found.st_dev, found.st_ino);
}

TEST(JournalTest, IsKnownByDeviceAndInode) {
  const TextFile file;
  const TextFile other;
  const Environment stream("JOURNAL_STREAM", name_of(file).c_str());
  EXPECT_TRUE(leads_to_journal(file.descriptor()));
  EXPECT_FALSE(leads_to_journal(other.descriptor()));
  EXPECT_FALSE(leads_to_journal(-1));
}

TEST(JournalTest, AnyOtherValueIsNoJournal) {
  const TextFile file;
  const std::string right = name_of(file);
  for (const std::string& value : {std::string(), std::string(":"), "0" + right, right + "0",
                                   right + " ", right.substr(0, right.find(':'))}) {
    const Environment stream("JOURNAL_STREAM", value.c_str());
    EXPECT_FALSE(leads_to_journal(file.descriptor())) << value;
  }
  const Environment none("JOURNAL_STREAM", nullptr);
  EXPECT_FALSE(leads_to_journal(file.descriptor()));
}

TEST(JournalTest, EveryLineIsMarked) {
  EXPECT_EQ(marked_for_journal("", LOG_INFO), "<6>");
  EXPECT_EQ(marked_for_journal("one", LOG_ERR), "<3>one");
  EXPECT_EQ(marked_for_journal("one\n\n<0>two", LOG_WARNING), "<4>one\n<4>\n<4><0>two");
}

TEST(JournalTest, MessagesCarryTheirSeverityAndNoNameOfTheProgram) {
  const TextFile file;
  const Environment stream("JOURNAL_STREAM", name_of(file).c_str());
  LineWriter writer(file.descriptor());
  Log log(writer, LOG_DEBUG, false);
  writer.line("live");
  log.error("an error\nwith more");
  log.warning("a warning");
  log.notice("a notice");
  log.info("an info");
  log.debug("a debug");
  EXPECT_EQ(file.text(),
            "<6>live\n<3>an error\n<3>with more\n<4>a warning\n<5>a notice\n<6>an info\n"
            "<7>a debug\n");
}

TEST(JournalTest, ADatagramHasAFieldALine) {
  const JournalEntry entry{.message_id = kChangeMessage,
                           .fields = {{"TCPEEK_FILTER", "web"}, {"TCPEEK_STATE", "failing"}}};
  EXPECT_EQ(journal_datagram(LOG_WARNING, "web is failing", entry),
            "MESSAGE=web is failing\nPRIORITY=4\nSYSLOG_IDENTIFIER=tcpeek\n"
            "MESSAGE_ID=68439471fab24980b95659bb619dccc2\n"
            "TCPEEK_FILTER=web\nTCPEEK_STATE=failing\n");
  EXPECT_EQ(journal_datagram(LOG_INFO, "", {}), "MESSAGE=\nPRIORITY=6\nSYSLOG_IDENTIFIER=tcpeek\n");
}

TEST(JournalTest, AValueWithALineBreakHasItsSizeBefore) {
  const std::string size("\x05\0\0\0\0\0\0\0", 8);
  const JournalEntry entry{.message_id = {}, .fields = {{"TCPEEK_FILTER", "a\nMES"}}};
  const std::string datagram = journal_datagram(LOG_INFO, "x\ny\nz", entry);
  EXPECT_EQ(datagram, "MESSAGE\n" + size + "x\ny\nz\nPRIORITY=6\nSYSLOG_IDENTIFIER=tcpeek\n" +
                          "TCPEEK_FILTER\n" + size + "a\nMES\n");
}

TEST(JournalTest, ElsewhereNothingIsMarked) {
  const TextFile file;
  const Environment stream("JOURNAL_STREAM", "1:1");
  LineWriter writer(file.descriptor());
  Log log(writer, LOG_DEBUG, false);
  writer.line("live\nlines");
  log.error("an error");
  EXPECT_EQ(file.text(), "live\nlines\ntcpeek: an error\n");
}

}  // namespace
}  // namespace tcpeek::engine
