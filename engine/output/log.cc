#include "engine/output/log.h"

#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include <string>

#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

// One spdlog level for each severity that we use, in the same order.
spdlog::level::level_enum to_level(int severity) noexcept {
  switch (severity) {
    case LOG_DEBUG:
      return spdlog::level::trace;
    case LOG_INFO:
      return spdlog::level::debug;
    case LOG_NOTICE:
      return spdlog::level::info;
    case LOG_WARNING:
      return spdlog::level::warn;
    case LOG_ERR:
      return spdlog::level::err;
    default:
      return spdlog::level::critical;
  }
}

int to_severity(spdlog::level::level_enum level) noexcept {
  switch (level) {
    case spdlog::level::trace:
      return LOG_DEBUG;
    case spdlog::level::debug:
      return LOG_INFO;
    case spdlog::level::info:
      return LOG_NOTICE;
    case spdlog::level::warn:
      return LOG_WARNING;
    case spdlog::level::err:
      return LOG_ERR;
    default:
      return LOG_CRIT;
  }
}

class WriterSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  WriterSink(LineWriter& writer, const char* program) : writer_(writer), program_(program) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::string line = writer_.journal() ? "" : std::string(program_) + ": ";
    line.append(message.payload.data(), message.payload.size());
    writer_.line(line, to_severity(message.level));
    writer_.flush();
  }
  void flush_() override { writer_.flush(); }

  LineWriter& writer_;
  const char* program_;
};

// spdlog's own syslog sink has no notice severity.
class SyslogSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit SyslogSink(const char* program) { ::openlog(program, LOG_PID, LOG_DAEMON); }
  ~SyslogSink() override { ::closelog(); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string text(message.payload.data(), message.payload.size());
    ::syslog(to_severity(message.level), "%s", text.c_str());
  }
  void flush_() override {}
};

}  // namespace

Log::Log(LineWriter& standard_error, int level, bool to_syslog, const char* program)
    : level_(level), to_journal_(!to_syslog && standard_error.journal()) {
  spdlog::sink_ptr sink;
  if (to_syslog) {
    sink = std::make_shared<SyslogSink>(program);
  } else {
    sink = std::make_shared<WriterSink>(standard_error, program);
  }
  logger_ = std::make_shared<spdlog::logger>(program, std::move(sink));
  logger_->set_level(spdlog::level::trace);
}

void Log::open_journal(std::string_view path) {
  if (to_journal_) journal_ = JournalSocket::open(path);
}

void Log::write(int severity, std::string_view message, const JournalEntry& entry) {
  if (severity > level_ || journal_.send(severity, printable_lines(message), entry)) return;
  write(severity, message);
}

void Log::write(int severity, std::string_view message) {
  // Here and not by spdlog's level: its levels do not distinguish the three gravest severities.
  if (severity > level_) return;
  const std::string text = printable_lines(message);
  logger_->log(to_level(severity), spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace tcpeek::engine
