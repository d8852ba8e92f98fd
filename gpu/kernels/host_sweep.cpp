// Both sweeps of a solve on a CPU, all columns at once: every matrix is read once a sweep, whichever way it lies.
//
// Fronts belong to tasks, subtrees that one thread goes through, and to levels above them, whose matrices are read in
// parts by all threads. Tasks and parts are fixed by the fronts, and what they find is added in their order: the bits of a
// solution do not depend on the number of threads. Numbers are taken as reals; complex ones lie as (re, im).

// Of `fronts` and what holds them; see gpu/multifrontal/factors/compiled_sweep.py.
struct SweepPlan {
    long long n_tasks, n_levels, length, room;  // positions of a column, and of what a level keeps
    const int* shape;                           // (fronts, 2): pivots, updates
    const long long* place;                     // (fronts, 3): first pivot, first of its updates, in the room of its level
    const long long* entries;                   // (fronts + 1): of leaves without W the elements between P and U
    const int* updates;                         // positions
    const int* rows;                            // (length): of the matrix, or what a position of a task stands for above
    const int* entry_row;                       // in P
    const int* entry_column;                    // in U
    const unsigned char* thin;
    const long long* task_fronts;               // (tasks + 1)
    const long long* task_places;               // (tasks, 3): own positions, those that stand for others, their end
    const long long* level_fronts;              // (levels + 1)
    const long long* up_parts;                  // (parts, 3): front, and which of its updates
    const long long* level_up;                  // (levels + 1)
    const long long* down_parts;                // (parts, 3): front, and which of its pivots
    const long long* level_down;                // (levels + 1)
    const long long* top;                       // (2): positions of the fronts above the tasks
    const void* const* matrices;                // (fronts, 3): of the way up, Pi, of the way down
    const long long* leads;                     // (fronts, 3): elements from row to row
    const void* up_values;                      // of the entries
    const void* down_values;
    int up_turned, down_turned;                 // matrices are to be transposed and conjugated, or one of both
    int up_conjugate, down_conjugate;
};

// Columns outside: element (row, c) of C columns is at row * by_row + (c / pair) * by_column + c % pair, in numbers.
struct Outside {
    long long by_row, by_column;
    int pair;
    inline long long at(long long row, int c) const { return row * by_row + (c / pair) * by_column + c % pair; }
};

constexpr int STRIP = 512;  // reals of a row that a product with a transposed matrix takes at a time

template <class R>
struct Sweeper {
    static constexpr int lanes = BDG_REGISTER / sizeof(R);
    typedef R Vector __attribute__((vector_size(BDG_REGISTER)));

    static inline Vector read(const R* from) {
        Vector v;
        std::memcpy(&v, from, sizeof v);
        return v;
    }
    static inline void write(R* to, const Vector& v) { std::memcpy(to, &v, sizeof v); }
    template <int first, int step, int... k>
    static inline Vector picked(const Vector& v, std::integer_sequence<int, k...>) {
        return __builtin_shufflevector(v, v, (step == 0 ? k / 2 * 2 + first : (k ^ 1))...);
    }
    static inline Vector real_parts(const Vector& v) { return picked<0, 0>(v, std::make_integer_sequence<int, lanes>()); }
    static inline Vector imaginary_parts(const Vector& v) {
        return picked<1, 0>(v, std::make_integer_sequence<int, lanes>());
    }
    static inline Vector exchanged(const Vector& v) { return picked<0, 1>(v, std::make_integer_sequence<int, lanes>()); }

    // out[c][i] (+)= sign * sum_j m[i, j] x[c][j] from row `skip` on; i times x stands `turned` behind x, of complex columns.
    template <bool is_complex, int C, int ROWS>
    static inline void dots(const R* m, long long lead, int size, const R* x, long long x_plane, long long turned, R* out,
                            long long out_plane, R sign, bool add, int skip) {
        Vector sum[ROWS][C];
        for (int i = 0; i < ROWS; ++i)
            for (int c = 0; c < C; ++c) sum[i][c] = Vector{};
        int j = 0;
        for (; j + lanes <= size; j += lanes) {
            Vector b[C], ib[C];
            for (int c = 0; c < C; ++c) {
                b[c] = read(x + c * x_plane + j);
                if constexpr (is_complex) ib[c] = read(x + turned + c * x_plane + j);
            }
            for (int i = 0; i < ROWS; ++i) {
                const Vector a = read(m + i * lead + j);
                __builtin_prefetch(m + (i + ROWS) * lead + j);  // the processor alone would wait at every page
                if constexpr (is_complex) {
                    const Vector re = real_parts(a), im = imaginary_parts(a);
                    for (int c = 0; c < C; ++c) sum[i][c] += re * b[c];
                    for (int c = 0; c < C; ++c) sum[i][c] += im * ib[c];
                } else {
                    for (int c = 0; c < C; ++c) sum[i][c] += a * b[c];
                }
            }
        }
        constexpr int k = is_complex ? 2 : 1;
        for (int i = skip; i < ROWS; ++i)
            for (int c = 0; c < C; ++c) {
                R found[2] = {0, 0};
                for (int lane = 0; lane < lanes; ++lane) found[lane % k] += sum[i][c][lane];
                for (int q = j; q < size; q += k) {
                    const R* a = m + i * lead + q;
                    const R* b = x + c * x_plane + q;
                    if constexpr (is_complex) {
                        found[0] += a[0] * b[0];
                        found[0] -= a[1] * b[1];
                        found[1] += a[0] * b[1];
                        found[1] += a[1] * b[0];
                    } else {
                        found[0] += a[0] * b[0];
                    }
                }
                R* to = out + c * out_plane + i * k;
                for (int part = 0; part < k; ++part) to[part] = add ? to[part] + sign * found[part] : sign * found[part];
            }
    }

    // out[c][j] += sum_i m[i, j] f[i][c], the factors as vectors: of complex ones (re, re, ...), then (-im, im, ...).
    template <bool is_complex, int C, int ROWS>
    static inline void strips(const R* m, long long lead, int size, const Vector* factor, R* out, long long out_plane) {
        constexpr int k = is_complex ? 2 : 1;
        int j = 0;
        for (; j + lanes <= size; j += lanes) {
            Vector sum[C];
            for (int c = 0; c < C; ++c) sum[c] = read(out + c * out_plane + j);
            for (int i = 0; i < ROWS; ++i) {
                const Vector a = read(m + i * lead + j);
                __builtin_prefetch(m + (i + ROWS) * lead + j);  // the processor alone would wait at every page
                for (int c = 0; c < C; ++c) sum[c] += a * factor[(i * C + c) * k];
                if constexpr (is_complex) {
                    const Vector b = exchanged(a);
                    for (int c = 0; c < C; ++c) sum[c] += b * factor[(i * C + c) * k + 1];
                }
            }
            for (int c = 0; c < C; ++c) write(out + c * out_plane + j, sum[c]);
        }
        for (; j < size; j += k)
            for (int i = 0; i < ROWS; ++i)
                for (int c = 0; c < C; ++c) {
                    const R* a = m + i * lead + j;
                    const Vector* f = factor + (i * C + c) * k;
                    R* to = out + c * out_plane + j;
                    to[0] += a[0] * f[0][0];
                    if constexpr (is_complex) {
                        to[0] += a[1] * f[1][0];
                        to[1] += a[1] * f[0][0];
                        to[1] += a[0] * f[1][1];
                    }
                }
    }

    // Four rows, of which the first `skip` are done; or fewer, one by one and column by column: that is seldom, and compiling
    // it for all numbers would take as long as all the rest.
    template <bool is_complex, int C>
    static void rows_group(const R* m, long long lead, int rows, int skip, int size, const R* x, long long x_plane,
                           long long turned, R* out, long long out_plane, R sign, bool add) {
        constexpr int k = is_complex ? 2 : 1;
        if (rows == 4) return dots<is_complex, C, 4>(m, lead, size, x, x_plane, turned, out, out_plane, sign, add, skip);
        for (int i = 0; i < rows; ++i)
            for (int c = 0; c < C; ++c)
                dots<is_complex, 1, 1>(m + i * lead, lead, size, x + c * x_plane, x_plane, turned, out + c * out_plane + i * k,
                                       out_plane, sign, add, 0);
    }

    template <bool is_complex, int C>
    static void strip_group(const R* m, long long lead, int rows, int skip, int size, const R* x, long long x_plane, R sign,
                            R* out, long long out_plane) {
        constexpr int k = is_complex ? 2 : 1;
        Vector factor[4 * C * k];
        for (int i = 0; i < rows; ++i)
            for (int c = 0; c < C; ++c) {
                const R* b = x + c * x_plane + i * k;
                const R by = i < skip ? R(0) : sign;
                Vector* f = factor + (i * C + c) * k;
                f[0] = by * b[0] - Vector{};
                if constexpr (is_complex) {
                    for (int lane = 0; lane < lanes; ++lane) f[1][lane] = lane % 2 ? by * b[1] : -by * b[1];
                }
            }
        if (rows == 4) return strips<is_complex, C, 4>(m, lead, size, factor, out, out_plane);
        for (int i = 0; i < rows; ++i)
            for (int c = 0; c < C; ++c)
                strips<is_complex, 1, 1>(m + i * lead, lead, size, factor + (i * C + c) * k, out + c * out_plane, out_plane);
    }

    // Calls rows(first row, how many, how many of them are done): always four but where there are not so many.
    template <class Rows>
    static void in_fours(int begin, int end, const Rows& rows) {
        if (end - begin < 4) return rows(begin, end - begin, 0);
        for (int i = begin; i < end; i += 4) rows(std::min(i, end - 4), 4, std::max(0, i + 4 - end));
    }

    // Calls group<C>(first column) for all columns.
    template <class Group>
    static void in_groups(int width, const Group& group) {
        int c = 0;
        for (; c + 4 <= width; c += 4) group(std::integral_constant<int, 4>(), c);
        if (width - c == 3) group(std::integral_constant<int, 3>(), c);
        if (width - c == 2) group(std::integral_constant<int, 2>(), c);
        if (width - c == 1) group(std::integral_constant<int, 1>(), c);
    }

    // out (+)= sign * M x for the rows begin to end of M.
    template <bool is_complex>
    __attribute__((noinline)) static void times(const R* m, long long lead, int begin, int end, int size, const R* x, long long x_plane,
                      long long turned, R* out, long long out_plane, int width, R sign, bool add) {
        constexpr int k = is_complex ? 2 : 1;
        in_fours(begin, end, [&](int i, int rows, int skip) {
            in_groups(width, [&](auto columns, int c) {
                rows_group<is_complex, columns.value>(m + i * lead * k, lead * k, rows, skip, size * k, x + c * x_plane,
                                                      x_plane, turned, out + c * out_plane + i * k, out_plane, sign, add);
            });
        });
    }

    // out (+)= sign * M^T x for the columns begin to end of M.
    template <bool is_complex>
    __attribute__((noinline)) static void transposed_times(const R* m, long long lead, int rows, int begin, int end, const R* x, long long x_plane,
                                 R* out, long long out_plane, int width, R sign, bool add) {
        constexpr int k = is_complex ? 2 : 1;
        if (!add)
            for (int c = 0; c < width; ++c) std::fill(out + c * out_plane + begin * k, out + c * out_plane + end * k, R(0));
        for (int j = begin * k; j < end * k; j += STRIP)
            in_fours(0, rows, [&](int i, int some, int skip) {
                in_groups(width, [&](auto columns, int c) {
                    strip_group<is_complex, columns.value>(m + i * lead * k + j, lead * k, some, skip,
                                                           std::min(STRIP, end * k - j), x + c * x_plane + i * k, x_plane,
                                                           sign, out + c * out_plane + j, out_plane);
                });
            });
    }
};

template <class T>
class Sweep : Sweeper<typename Parts<T>::Real> {
    using R = typename Parts<T>::Real;
    using Base = Sweeper<R>;
    static constexpr int k = sizeof(T) / sizeof(R);
    static constexpr bool is_complex = k == 2;

   public:
    Sweep(const SweepPlan& plan, const R* columns, Outside from, R* solution, Outside to, int width, R* work)
        : plan(plan), columns(columns), from(from), solution(solution), to(to), width(width), x(work),
          plane(plan.length * k), level(work + width * plane) {}

    void run(int threads) {
        crew().run(plan.n_tasks, threads, [this](long long task) { task_up(task); });
        take(plan.top[0], plan.top[1]);
        for (long long task = 0; task < plan.n_tasks; ++task) hand_over(task);
        for (long long number = 0; number < plan.n_levels; ++number) level_up(number, threads);
        for (long long number = plan.n_levels - 1; number >= 0; --number) level_down(number, threads);
        give(plan.top[0], plan.top[1]);
        crew().run(plan.n_tasks, threads, [this](long long task) { task_down(task); });
    }

   private:
    const SweepPlan& plan;
    const R* columns;
    const Outside from;
    R* solution;
    const Outside to;
    const int width;
    R* x;  // (width, length), by position
    const long long plane;
    R* level;  // what the fronts of a level keep

    int pivots(long long front) const { return plan.shape[2 * front]; }
    int n_updates(long long front) const { return plan.shape[2 * front + 1]; }
    R* own(long long front) const { return x + plan.place[3 * front] * k; }
    const int* updates(long long front) const { return plan.updates + plan.place[3 * front + 1]; }
    R* kept(long long front) const { return level + plan.place[3 * front + 2] * 2 * width * k; }
    const R* matrix(long long front, int which) const { return static_cast<const R*>(plan.matrices[3 * front + which]); }
    long long lead(long long front, int which) const { return plan.leads[3 * front + which]; }

    // The columns of positions of the matrix into x; zero where there is no row, and where sums of a task are to come.
    void take(long long begin, long long end) {
        for (int c = 0; c < width; ++c)
            for (long long p = begin; p < end; ++p)
                for (int part = 0; part < k; ++part)
                    x[c * plane + p * k + part] = plan.rows[p] < 0 ? R(0) : columns[from.at(plan.rows[p], c) * k + part];
    }
    void give(long long begin, long long end) {
        for (int c = 0; c < width; ++c)
            for (long long p = begin; p < end; ++p)
                if (plan.rows[p] >= 0)
                    for (int part = 0; part < k; ++part)
                        solution[to.at(plan.rows[p], c) * k + part] = x[c * plane + p * k + part];
    }

    // A copy (width, size) of what stands at neighbouring places, or at those of a list; i times that behind it.
    void copy_own(const R* source, int size, R* target, bool conjugate, bool turned) const {
        for (int c = 0; c < width; ++c)
            copy_one(size, target + c * size * k, turned ? target + (width + c) * size * k : nullptr, conjugate,
                     [&](int j) { return source + c * plane + j * k; });
    }
    void copy_listed(const int* places, int size, R* target, bool conjugate, bool turned) const {
        for (int c = 0; c < width; ++c)
            copy_one(size, target + c * size * k, turned ? target + (width + c) * size * k : nullptr, conjugate,
                     [&](int j) { return x + c * plane + (long long)places[j] * k; });
    }
    template <class At>
    static void copy_one(int size, R* target, R* turned, bool conjugate, const At& at) {
        for (int j = 0; j < size; ++j) {
            const R* a = at(j);
            target[j * k] = a[0];
            if constexpr (is_complex) {
                const R im = conjugate ? -a[1] : a[1];
                target[2 * j + 1] = im;
                if (turned) {
                    turned[2 * j] = -im;
                    turned[2 * j + 1] = a[0];
                }
            }
        }
    }
    void subtract_listed(const R* found, int size, const int* places, bool conjugate) {
        for (int c = 0; c < width; ++c)
            for (int j = 0; j < size; ++j) {
                R* target = x + c * plane + (long long)places[j] * k;
                const R* a = found + (c * size + j) * k;
                target[0] -= a[0];
                if constexpr (is_complex) target[1] -= conjugate ? -a[1] : a[1];
            }
    }
    void conjugate_in_place(R* a, long long a_plane, int size) const {
        if constexpr (is_complex)
            for (int c = 0; c < width; ++c)
                for (int j = 0; j < size; ++j) a[c * a_plane + 2 * j + 1] = -a[c * a_plane + 2 * j + 1];
    }

    // out (+)= sign * M b, or M^T b, of rows `begin` to `end` of the result; b (width, size) from `copy_own` or `copy_listed`.
    void product(long long front, int which, bool turned, int size, const R* b, int begin, int end, R* out,
                 long long out_plane, R sign, bool add) const {
        const R* m = matrix(front, which);
        if (turned)
            Base::template transposed_times<is_complex>(m, lead(front, which), size, begin, end, b, size * k, out, out_plane,
                                                        width, sign, add);
        else
            Base::template times<is_complex>(m, lead(front, which), begin, end, size, b, size * k,
                                             (long long)width * size * k, out, out_plane, width, sign, add);
    }

    // Memory of this thread.
    static R* scratch(long long size) {
        static thread_local std::vector<R> kept;
        if ((long long)kept.size() < size) kept.resize(size);
        return kept.data();
    }

    void task_up(long long task) {
        const long long* places = plan.task_places + 3 * task;
        take(places[0], places[1]);
        for (int c = 0; c < width; ++c) std::fill(x + c * plane + places[1] * k, x + c * plane + places[2] * k, R(0));
        for (long long front = plan.task_fronts[task]; front < plan.task_fronts[task + 1]; ++front) {
            const int a = pivots(front), u = n_updates(front);
            if (!u) continue;
            R* b = scratch((3LL * a + u) * width * k);
            R* found = b + 2LL * width * a * k;
            if (plan.thin[front]) {
                copy_own(own(front), a, b, plan.down_conjugate, !plan.down_turned);
                product(front, 1, plan.down_turned, a, b, 0, a, found, a * k, R(1), false);
                if (plan.down_conjugate) conjugate_in_place(found, a * k, a);
                spread(front, found);
            } else {
                copy_own(own(front), a, b, plan.up_conjugate, !plan.up_turned);
                product(front, 0, plan.up_turned, a, b, 0, u, found, u * k, R(1), false);
                subtract_listed(found, u, updates(front), plan.up_conjugate);
            }
        }
    }

    void task_down(long long task) {
        const long long* places = plan.task_places + 3 * task;
        for (int c = 0; c < width; ++c)
            for (long long p = places[1]; p < places[2]; ++p)
                for (int part = 0; part < k; ++part)
                    x[c * plane + p * k + part] = x[c * plane + (long long)plan.rows[p] * k + part];
        for (long long front = plan.task_fronts[task + 1] - 1; front >= plan.task_fronts[task]; --front) {
            const int a = pivots(front), u = n_updates(front);
            R* b = scratch((2LL * a + 2LL * u) * width * k);
            if (plan.thin[front]) collect(front);
            copy_own(own(front), a, b, plan.down_conjugate, !plan.down_turned);
            product(front, 1, plan.down_turned, a, b, 0, a, own(front), plane, R(1), false);
            if (u && !plan.thin[front]) {
                copy_listed(updates(front), u, b + 2LL * width * a * k, plan.down_conjugate, !plan.down_turned);
                product(front, 2, plan.down_turned, u, b + 2LL * width * a * k, 0, a, own(front), plane, R(-1), true);
            }
            if (plan.down_conjugate) conjugate_in_place(own(front), plane, a);
        }
        give(places[0], places[1]);
    }

    // Elements between a leaf and what is above: taken off there, or here.
    void spread(long long front, const R* found) {
        const int size = pivots(front);
        for_entries(front, plan.up_values, [&](const R* value, int row, int place, int c) {
            subtract(x + c * plane + (long long)place * k, value, found + (c * size + row) * k);
        });
    }
    void collect(long long front) {
        R* b = own(front);
        for_entries(front, plan.down_values, [&](const R* value, int row, int place, int c) {
            subtract(b + c * plane + row * k, value, x + c * plane + (long long)place * k);
        });
    }
    static void subtract(R* target, const R* value, const R* a) {
        target[0] -= value[0] * a[0];
        if constexpr (is_complex) {
            target[0] += value[1] * a[1];
            target[1] -= value[0] * a[1];
            target[1] -= value[1] * a[0];
        }
    }
    template <class Use>
    void for_entries(long long front, const void* values, const Use& use) {
        const int* places = updates(front);
        for (long long e = plan.entries[front]; e < plan.entries[front + 1]; ++e)
            for (int c = 0; c < width; ++c)
                use(static_cast<const R*>(values) + e * k, plan.entry_row[e], places[plan.entry_column[e]], c);
    }

    void hand_over(long long task) {
        const long long* places = plan.task_places + 3 * task;
        for (int c = 0; c < width; ++c)
            for (long long p = places[1]; p < places[2]; ++p)
                for (int part = 0; part < k; ++part)
                    x[c * plane + (long long)plan.rows[p] * k + part] += x[c * plane + p * k + part];
    }

    void level_up(long long number, int threads) {
        const long long first = plan.level_fronts[number], last = plan.level_fronts[number + 1];
        for (long long front = first; front < last; ++front)
            copy_own(own(front), pivots(front), kept(front), plan.up_conjugate, !plan.up_turned);
        const long long* parts = plan.up_parts + 3 * plan.level_up[number];
        crew().run(plan.level_up[number + 1] - plan.level_up[number], threads, [&](long long part) {
            const long long front = parts[3 * part];
            const int a = pivots(front), u = n_updates(front);
            product(front, 0, plan.up_turned, a, kept(front), parts[3 * part + 1], parts[3 * part + 2],
                    kept(front) + 2LL * width * a * k, u * k, R(1), false);
        });
        for (long long front = first; front < last; ++front) {
            const int a = pivots(front), u = n_updates(front);
            subtract_listed(kept(front) + 2LL * width * a * k, u, updates(front), plan.up_conjugate);
        }
    }

    void level_down(long long number, int threads) {
        const long long first = plan.level_fronts[number], last = plan.level_fronts[number + 1];
        for (long long front = first; front < last; ++front) {
            const int a = pivots(front), u = n_updates(front);
            copy_own(own(front), a, kept(front), plan.down_conjugate, !plan.down_turned);
            copy_listed(updates(front), u, kept(front) + 2LL * width * a * k, plan.down_conjugate, !plan.down_turned);
        }
        const long long* parts = plan.down_parts + 3 * plan.level_down[number];
        crew().run(plan.level_down[number + 1] - plan.level_down[number], threads, [&](long long part) {
            const long long front = parts[3 * part];
            const int begin = parts[3 * part + 1], end = parts[3 * part + 2], a = pivots(front), u = n_updates(front);
            product(front, 1, plan.down_turned, a, kept(front), begin, end, own(front), plane, R(1), false);
            if (u)
                product(front, 2, plan.down_turned, u, kept(front) + 2LL * width * a * k, begin, end, own(front), plane,
                        R(-1), true);
            if (plan.down_conjugate) conjugate_in_place(own(front) + begin * k, plane, end - begin);
        });
    }
};

// columns and solution as `Outside` says; work holds (length + 2 room) * width numbers.
template <class T>
void sweep(const SweepPlan* plan, const void* columns, const long long* from, void* solution, const long long* to, int width,
           void* work, int threads) {
    using R = typename Parts<T>::Real;
    Sweep<T>(*plan, static_cast<const R*>(columns), {from[0], from[1], int(from[2])}, static_cast<R*>(solution),
             {to[0], to[1], int(to[2])}, width, static_cast<R*>(work))
        .run(threads);
}

#define BDG_SWEEP(NAME, TYPE)                                                                                            \
    extern "C" __attribute__((visibility("default"))) void sweep_##NAME(                                                 \
        const void* plan, const void* columns, const long long* from, void* solution, const long long* to, int width,     \
        void* work, int threads) {                                                                                      \
        sweep<TYPE>(static_cast<const SweepPlan*>(plan), columns, from, solution, to, width, work, threads);              \
    }

BDG_SWEEP(float32, float)
BDG_SWEEP(float64, double)
BDG_SWEEP(complex64, Complex<float>)
BDG_SWEEP(complex128, Complex<double>)
