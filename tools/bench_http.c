/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_http.c - `turnout bench http`: events through the bus and through HAProxy, side by side.
 *
 * Called by command_bench.c. For each case: start the subject (bench_subject.c), saturate it, then send at half the
 * rate it reached; the same half rate straight to the sink (bench_sink.c) says what the rest of the way costs. Every
 * number sent is marked when it is accepted, and by the sink when it arrives, so lost and duplicate are counted, not
 * estimated.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "arguments.h"
#include "bench_sink.h"
#include "bench_subject.h"
#include "command.h"
#include "load.h"

#define CONNECTIONS_LIMIT 1000
#define RULES_LIMIT 100000
#define SETTLE_US 5000000 /* without any arrival for so long, what is missing is lost */
#define NUMBER_WIDTH 20

struct bench {
	struct tn_bench_sink sink;
	const char *dir;
	uint64_t seconds, size, keys; /* keys: of events for an ordered target; 0: it is not */
	bool json;
	bool with[2]; /* without and with idempotency keys */
	uint64_t next_sequence;
	uint8_t *accepted; /* by sequence */
	struct tn_buf template; /* the request, with NUMBER_WIDTH digits to fill in twice */
	size_t sequence_at, due_at, key_at;
	uint32_t cases;
	double haproxy_cpu_per_event[2]; /* by row of connection counts; 0: not measured */
	bool findings;
};

struct phase { /* one run of the load generator */
	struct bench *bench;
	const struct tn_bench_subject *subject;
	int64_t until_us;
	uint64_t slot_sequence[CONNECTIONS_LIMIT];
	uint64_t first_sequence;
	uint64_t sent, accepted, lost;
	uint64_t peak_anon_kib;
	double seconds, cpu;
	int64_t p50_us, p99_us;
	uint64_t duplicates, reordered, unreadable;
};

/* --- The requests --- */

static size_t add_number_header(struct tn_buf *out, const char *name)
{
	size_t at;

	tn_buf_addf(out, "%s: ", name);
	at = out->len;
	tn_buf_addf(out, "%0*d\r\n", NUMBER_WIDTH, 0);
	return at;
}

static void make_template(struct bench *bench, uint16_t port)
{
	struct tn_buf data = {0};
	struct tn_buf *out = &bench->template;

	tn_buf_add_text(
	        &data, "{\"region\":\"r0\",\"total\":1200,\"items\":[{\"sku\":\"a-1\",\"count\":2}],\"note\":\"");
	while (data.len + 2 < bench->size)
		tn_buf_add_byte(&data, 'x');
	tn_buf_add_text(&data, "\"}");
	tn_buf_clear(out);
	tn_buf_addf(out, "POST / HTTP/1.1\r\nhost: 127.0.0.1:%u\r\ncontent-type: application/json\r\n", (unsigned)port);
	tn_buf_add_text(out, "ce-specversion: 1.0\r\nce-source: /bench\r\nce-type: order.created\r\n");
	bench->due_at = add_number_header(out, "ce-due");
	bench->sequence_at = add_number_header(out, "ce-sequence");
	add_number_header(out, "ce-id");
	bench->key_at = bench->keys > 0 ? add_number_header(out, "ce-partitionkey") : 0;
	tn_buf_addf(out, "content-length: %zu\r\n\r\n", data.len);
	tn_buf_add_str(out, tn_buf_str(&data));
	tn_buf_fini(&data);
}

static void fill_number(char *at, uint64_t number)
{
	for (int i = NUMBER_WIDTH; i-- > 0; number /= 10)
		at[i] = (char)('0' + number % 10);
}

static enum tn_load_next on_render(void *arg, uint32_t slot, int64_t due_us, struct tn_buf *out)
{
	struct phase *phase = arg;
	struct bench *bench = phase->bench;

	if (due_us >= phase->until_us || bench->next_sequence == TN_BENCH_SEQUENCES)
		return TN_LOAD_END;
	phase->slot_sequence[slot] = bench->next_sequence++;
	phase->sent++;
	tn_buf_add_str(out, tn_buf_str(&bench->template));
	fill_number(out->bytes + bench->due_at, (uint64_t)due_us);
	fill_number(out->bytes + bench->sequence_at, phase->slot_sequence[slot]);
	if (bench->key_at > 0)
		fill_number(out->bytes + bench->key_at, phase->slot_sequence[slot] % bench->keys);
	/* The id is the number once more: its header follows that of the sequence. */
	fill_number(out->bytes + bench->sequence_at + NUMBER_WIDTH + strlen("\r\nce-id: "), phase->slot_sequence[slot]);
	return TN_LOAD_READY;
}

static void on_settled(void *arg, uint32_t slot, int status, struct tn_str body)
{
	struct phase *phase = arg;

	(void)body;
	if (status < 200 || status > 299)
		return;
	phase->bench->accepted[phase->slot_sequence[slot]] = 1;
	phase->accepted++;
}

static void on_progress(void *arg, const struct tn_load_counts *counts)
{
	struct phase *phase = arg;
	uint64_t anon_kib = phase->subject->pid > 0 ? tn_bench_process_memory(phase->subject->pid, "RssAnon") : 0;

	(void)counts;
	if (anon_kib > phase->peak_anon_kib)
		phase->peak_anon_kib = anon_kib;
}

/* --- One run --- */

/* Until all that was accepted has arrived, or nothing arrives any more. Answers the time of the last arrival. */
static int64_t wait_settled(const struct phase *phase)
{
	const struct tn_bench_tally *tally = phase->bench->sink.tally;
	uint64_t seen = __atomic_load_n(&tally->received, __ATOMIC_ACQUIRE);
	int64_t last_us = tn_load_now_us();

	while (seen < phase->accepted && tn_load_now_us() - last_us < SETTLE_US) {
		uint64_t now_seen;

		usleep(1000);
		now_seen = __atomic_load_n(&tally->received, __ATOMIC_ACQUIRE);
		if (now_seen != seen)
			last_us = tn_load_now_us();
		seen = now_seen;
	}
	return last_us;
}

static void reset_tally(struct tn_bench_tally *tally)
{
	tally->duplicates = tally->reordered = tally->unreadable = 0;
	memset(&tally->latency, 0, sizeof(tally->latency));
	__atomic_store_n(&tally->received, 0, __ATOMIC_RELEASE);
}

static void read_tally(struct phase *phase)
{
	const struct bench *bench = phase->bench;
	const struct tn_bench_tally *tally = bench->sink.tally;

	phase->duplicates = tally->duplicates;
	phase->reordered = tally->reordered;
	phase->unreadable = tally->unreadable;
	phase->p50_us = tn_histogram_quantile(&tally->latency, 0.5);
	phase->p99_us = tn_histogram_quantile(&tally->latency, 0.99);
	for (uint64_t i = phase->first_sequence; i < bench->next_sequence; i++)
		phase->lost += bench->accepted[i] && !tally->seen[i];
}

static enum tn_status run_phase(struct bench *bench, const struct tn_bench_subject *subject, uint32_t connections,
        double rate, struct phase *phase, struct tn_error *error)
{
	struct tn_load_url url;
	struct tn_load_options options = {.url = &url,
	        .connections = connections,
	        .rate = rate,
	        .timeout_ms = 10000,
	        .wake_fd = -1,
	        .render = on_render,
	        .settled = on_settled,
	        .progress = on_progress,
	        .arg = phase};
	struct tn_load_counts counts = {0};
	char text[64];
	enum tn_status status;
	double cpu_before;
	int64_t start_us;

	snprintf(text, sizeof(text), "http://127.0.0.1:%u/", (unsigned)subject->port);
	status = tn_load_url_parse(text, &url, error);
	if (status != TN_OK)
		return status;
	make_template(bench, subject->port);
	reset_tally(bench->sink.tally);
	*phase = (struct phase){.bench = bench, .subject = subject, .first_sequence = bench->next_sequence};
	cpu_before = subject->pid > 0 ? tn_bench_process_cpu(subject->pid) : 0;
	start_us = tn_load_now_us();
	phase->until_us = start_us + (int64_t)bench->seconds * 1000000;
	status = tn_load_run(&options, &counts, error);
	if (status != TN_OK)
		return status;
	phase->seconds = (double)(wait_settled(phase) - start_us) / 1e6;
	phase->cpu = subject->pid > 0 ? tn_bench_process_cpu(subject->pid) - cpu_before : 0;
	read_tally(phase);
	return TN_OK;
}

/* --- One case: saturation, half rate, and half rate without the subject --- */

struct result {
	struct phase full, half, direct;
	double ratio; /* events per CPU second, to HAProxy's; 0: unknown */
};

static const char *name_of(const struct tn_bench_subject *subject)
{
	if (!subject->dedup)
		return tn_bench_kind_name(subject->kind);
	return subject->kind == TN_BENCH_SYNC ? "sync+dedup" : "durable+dedup";
}

static double cpu_per_event(const struct phase *phase)
{
	return phase->accepted > 0 ? phase->cpu / (double)phase->accepted : 0;
}

static void compare(
        struct bench *bench, const struct tn_bench_subject *subject, uint32_t connections, struct result *result)
{
	double *yardstick = &bench->haproxy_cpu_per_event[connections > 1];
	double cpu = cpu_per_event(&result->full);

	if (subject->kind == TN_BENCH_HAPROXY)
		*yardstick = cpu;
	result->ratio = *yardstick > 0 && cpu > 0 ? *yardstick / cpu : 0;
}

static void print_json(const struct tn_bench_subject *subject, uint32_t connections, const struct result *result)
{
	const struct phase *full = &result->full, *half = &result->half, *direct = &result->direct;

	printf("{\"subject\":\"%s\",\"dedup\":%s,\"connections\":%" PRIu32 ",\"rules\":%" PRIu32 ",\"lost\":%" PRIu64
	       ",\"duplicate\":%" PRIu64 ",\"reordered\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"events\":%" PRIu64
	       ",\"events_per_s\":%.0f,\"cpu_s_per_million\":%.2f,\"ratio_to_haproxy\":%.3f,\"half_rate_p50_us\":"
	       "%" PRId64 ",\"half_rate_p99_us\":%" PRId64 ",\"direct_p50_us\":%" PRId64 ",\"direct_p99_us\":%" PRId64
	       ",\"rss_anon_idle_kib\":%" PRIu64 ",\"rss_anon_load_kib\":%" PRIu64 ",\"rss_file_kib\":%" PRIu64
	       ",\"ready_ms\":%.1f}\n",
	        tn_bench_kind_name(subject->kind), subject->dedup ? "true" : "false", connections, subject->rules, full->lost + half->lost,
	        full->duplicates + half->duplicates, full->reordered + half->reordered,
	        full->sent - full->accepted + half->sent - half->accepted, full->accepted + half->accepted,
	        (double)full->accepted / full->seconds, cpu_per_event(full) * 1e6, result->ratio, half->p50_us,
	        half->p99_us, direct->p50_us, direct->p99_us, subject->idle_anon_kib, full->peak_anon_kib,
	        subject->idle_file_kib, (double)subject->ready_us / 1e3);
}

static void print_row(const struct bench *bench, const struct tn_bench_subject *subject, uint32_t connections,
        const struct result *result)
{
	const struct phase *full = &result->full, *half = &result->half;
	char rules[16] = "-";

	if (bench->cases == 0)
		printf("%-13s %5s %6s | %5s %5s %7s %7s | %9s %8s %6s | %9s %9s | %8s %8s %8s %7s\n", "subject", "conns",
		        "rules", "lost", "dup", "reord", "refused", "events/s", "CPU s/M", "ratio", "+p50 us",
		        "+p99 us", "idle KiB", "load KiB", "file KiB", "ready");
	if (subject->rules > 0)
		snprintf(rules, sizeof(rules), "%" PRIu32, subject->rules);
	printf("%-13s %5" PRIu32 " %6s | %5" PRIu64 " %5" PRIu64 " %7" PRIu64 " %7" PRIu64
	       " | %9.0f %8.2f %6.3f | %9" PRId64 " %9" PRId64 " | %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %5.0fms\n",
	        name_of(subject), connections, rules, full->lost + half->lost,
	        full->duplicates + half->duplicates, full->reordered + half->reordered,
	        full->sent - full->accepted + half->sent - half->accepted, (double)full->accepted / full->seconds,
	        cpu_per_event(full) * 1e6, result->ratio, half->p50_us - result->direct.p50_us,
	        half->p99_us - result->direct.p99_us, subject->idle_anon_kib, full->peak_anon_kib,
	        subject->idle_file_kib, (double)subject->ready_us / 1e3);
}

static enum tn_status measure(struct bench *bench, const struct tn_bench_subject *subject, uint32_t connections,
        struct result *result, struct tn_error *error)
{
	const struct tn_bench_subject nothing = {.kind = TN_BENCH_DIRECT, .port = bench->sink.port};
	enum tn_status status = run_phase(bench, subject, connections, 0, &result->full, error);
	double half_rate;

	if (status != TN_OK)
		return status;
	if (result->full.accepted == 0) {
		tn_error_set(error, "%s accepted no event", tn_bench_kind_name(subject->kind));
		return TN_IO;
	}
	half_rate = (double)result->full.accepted / result->full.seconds / 2;
	status = run_phase(bench, subject, connections, half_rate, &result->half, error);
	return status == TN_OK ? run_phase(bench, &nothing, connections, half_rate, &result->direct, error) : status;
}

static enum tn_status run_case(
        struct bench *bench, enum tn_bench_kind kind, uint32_t connections, uint32_t rules, bool dedup, struct tn_error *error)
{
	struct tn_bench_subject subject;
	struct result *result = calloc(1, sizeof(*result));
	char dir[512];
	enum tn_status status;

	if (!result)
		abort();
	snprintf(dir, sizeof(dir), "%s/%s-%" PRIu32 "-%" PRIu32 "%s", bench->dir, tn_bench_kind_name(kind), connections,
	        rules, dedup ? "-dedup" : "");
	mkdir(dir, 0700);
	status = tn_bench_subject_start(kind, rules, bench->keys > 0, dedup, dir, bench->sink.port, &subject, error);
	if (status == TN_OK) {
		status = measure(bench, &subject, connections, result, error);
		if (!tn_bench_subject_stop(&subject) && status == TN_OK) {
			tn_error_set(error, "%s ended badly; its output is in %s/log", tn_bench_kind_name(kind), dir);
			status = TN_IO;
		}
	}
	if (status == TN_OK) {
		compare(bench, &subject, connections, result);
		(bench->json ? print_json(&subject, connections, result)
		             : print_row(bench, &subject, connections, result));
		fflush(stdout);
		bench->cases++;
		bench->findings |=
		        result->full.lost + result->half.lost + result->full.duplicates + result->half.duplicates > 0;
	}
	free(result);
	return status;
}

/* --- All cases --- */

static enum tn_status run_modes(struct bench *bench, uint32_t connections, uint32_t rules, struct tn_error *error)
{
	enum tn_status status = TN_OK;

	for (int dedup = 0; dedup < 2 && status == TN_OK; dedup++) {
		if (!bench->with[dedup])
			continue;
		status = run_case(bench, TN_BENCH_SYNC, connections, rules, dedup != 0, error);
		if (status == TN_OK)
			status = run_case(bench, TN_BENCH_DURABLE, connections, rules, dedup != 0, error);
	}
	return status;
}

static enum tn_status run_all(
        struct bench *bench, uint64_t only_connections, uint64_t only_rules, struct tn_error *error)
{
	uint32_t connections[] = {only_connections > 0 ? (uint32_t)only_connections : 1, 64};
	uint32_t rules[] = {only_rules > 0 ? (uint32_t)only_rules : 1, 1000};
	enum tn_status status = TN_OK;

	for (int i = 0; i < (only_connections > 0 ? 1 : 2); i++) {
		status = run_case(bench, TN_BENCH_HAPROXY, connections[i], 0, false, error);
		for (int j = 0; status == TN_OK && j < (only_rules > 0 ? 1 : 2); j++) {
			status = run_modes(bench, connections[i], rules[j], error);
		}
		if (status != TN_OK)
			break;
	}
	return status;
}

static void print_binary_size(const struct bench *bench)
{
	struct stat stat_buf;

	if (stat("/proc/self/exe", &stat_buf) != 0)
		return;
	if (bench->json)
		printf("{\"binary_bytes\":%lld}\n", (long long)stat_buf.st_size);
	else
		printf("binary: %lld bytes\n", (long long)stat_buf.st_size);
}

static bool parse_dedup(struct bench *bench, const char *word)
{
	bench->with[0] = strcmp(word, "on") != 0;
	bench->with[1] = strcmp(word, "off") != 0;
	return !bench->with[0] || !bench->with[1] || strcmp(word, "both") == 0;
}

static bool parse_arguments(struct bench *bench, uint64_t *connections, uint64_t *rules, int argc, char **argv)
{
	const char *dedup = "off";
	const struct tn_argument table[] = {
	        {"--seconds", 0, TN_ARGUMENT_COUNT, &bench->seconds},
	        {"--size", 0, TN_ARGUMENT_COUNT, &bench->size},
	        {"--connections", 'c', TN_ARGUMENT_COUNT, connections},
	        {"--rules", 0, TN_ARGUMENT_COUNT, rules},
	        {"--ordering", 0, TN_ARGUMENT_COUNT, &bench->keys},
	        {"--dedup", 0, TN_ARGUMENT_TEXT, &dedup},
	        {"--dir", 0, TN_ARGUMENT_TEXT, &bench->dir},
	        {"--json", 0, TN_ARGUMENT_FLAG, &bench->json},
	        {0},
	};

	if (!tn_arguments_parse(table, &argc, argv))
		return false;
	if (argc > 1)
		fprintf(stderr, "turnout bench http: '%s' is not an option\n", argv[1]);
	else if (!parse_dedup(bench, dedup))
		fprintf(stderr, "turnout bench http: --dedup is on, off or both\n");
	else if (*connections > CONNECTIONS_LIMIT || *rules > RULES_LIMIT || bench->seconds < 1 ||
	         bench->seconds > 600 || bench->size > 32768)
		fprintf(stderr, "turnout bench http: at most %d connections, %d rules, 600 seconds, 32768 bytes\n",
		        CONNECTIONS_LIMIT, RULES_LIMIT);
	else
		return true;
	return false;
}

int tn_bench_http_main(int argc, char **argv)
{
	struct bench bench = {.seconds = 3, .size = 1024};
	char made_dir[] = "/tmp/turnout-bench-XXXXXX";
	uint64_t connections = 0, rules = 0;
	struct tn_error error = {0};
	enum tn_status status;

	if (!parse_arguments(&bench, &connections, &rules, argc, argv))
		return TN_EXIT_UNUSABLE;
	if (!bench.dir && !(bench.dir = mkdtemp(made_dir))) {
		perror("turnout bench http: cannot make a folder in /tmp");
		return TN_EXIT_UNUSABLE;
	}
	bench.accepted = calloc(TN_BENCH_SEQUENCES, 1);
	if (!bench.accepted)
		abort();
	status = tn_bench_sink_start(&bench.sink, &error);
	if (status == TN_OK) {
		status = run_all(&bench, connections, rules, &error);
		tn_bench_sink_stop(&bench.sink);
	}
	if (status == TN_OK)
		print_binary_size(&bench);
	else
		fprintf(stderr, "turnout bench http: %s\n", error.message);
	free(bench.accepted);
	tn_buf_fini(&bench.template);
	if (status != TN_OK)
		return TN_EXIT_UNUSABLE;
	return bench.findings ? TN_EXIT_FINDINGS : TN_EXIT_GOOD;
}
