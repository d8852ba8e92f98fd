// Threads of the library that help with one call, without waiting for each other in a busy loop.
//
// Work comes in numbered parts, which whoever is free takes next: beside another busy process a call takes no longer than on
// one thread. A thread that wakes too late finds the work closed and sleeps on; only those that have begun are waited for.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

class Crew {
   public:
    // Run part(0), part(1), ..., each once, on up to `threads` threads, the caller's among them. Where neighbours share what
    // they read, threads begin `apart`, each with a row of parts of its own, and help with the others' when that is done.
    void run(long long n_parts, int threads, const std::function<void(long long)>& part, bool apart = false) {
        std::unique_lock<std::mutex> alone(one_call, std::try_to_lock);
        if (threads < 2 || n_parts < 2 || !alone.owns_lock() || !enlisted(threads - 1)) {
            for (long long p = 0; p < n_parts; ++p) part(p);
            return;
        }
        {
            std::lock_guard<std::mutex> hold(state);
            work = &part;
            n_rows = apart ? std::min({(long long)threads, n_parts, MOST_ROWS}) : 1;
            for (long long r = 0; r < n_rows; ++r) {
                rows[r].next.store(n_parts * r / n_rows);
                rows[r].end = n_parts * (r + 1) / n_rows;
            }
            wanted = threads - 1;
            open = true;
            round.fetch_add(1);
        }
        begun.notify_all();
        take(0);
        std::unique_lock<std::mutex> hold(state);
        open = false;
        ended.wait(hold, [this] { return busy == 0; });
    }

   private:
    static constexpr long long MOST_ROWS = 64;
    struct alignas(64) Row {  // parts from `next` to `end`
        std::atomic<long long> next{0};
        long long end = 0;
    };
    std::mutex one_call, state;
    std::condition_variable begun, ended;
    std::atomic<long long> round{0};
    const std::function<void(long long)>* work = nullptr;
    Row rows[MOST_ROWS];
    long long n_rows = 1;
    int present = 0, busy = 0, wanted = 0;
    bool open = false;

    void take(long long first) {
        for (long long r = 0; r < n_rows; ++r) {
            Row& row = rows[(first + r) % n_rows];
            for (long long p = row.next.fetch_add(1); p < row.end; p = row.next.fetch_add(1)) (*work)(p);
        }
    }

    // Whether so many helpers are there; they are started when they are first needed.
    bool enlisted(int number) {
        try {
            for (; present < number; ++present) std::thread([this] { help(); }).detach();
        } catch (const std::system_error&) {  // no more threads are to be had: the caller works alone
            return present > 0;
        }
        return true;
    }

    void help() {
        long long seen = 0;
        for (;;) {
            // the next call of a recursion follows within some microseconds, sooner than a sleeper wakes
            const auto asleep = std::chrono::steady_clock::now() + std::chrono::microseconds(40);
            while (round.load() == seen && std::chrono::steady_clock::now() < asleep) std::this_thread::yield();
            std::unique_lock<std::mutex> hold(state);
            begun.wait(hold, [&] { return round.load() != seen; });
            seen = round.load();
            if (!open || busy >= wanted) continue;
            const int place = ++busy;
            hold.unlock();
            take(place);
            hold.lock();
            if (--busy == 0) ended.notify_one();
        }
    }
};

// The crew of this process; a child of fork has none of the threads of its parent and gets its own.
inline Crew& crew() {
    static std::mutex making;
    static Crew* mine = nullptr;
    static pid_t owner = 0;
    std::lock_guard<std::mutex> hold(making);
    if (owner != getpid()) {
        mine = new Crew;  // never deleted: its threads may be asleep in it when the process ends
        owner = getpid();
    }
    return *mine;
}
