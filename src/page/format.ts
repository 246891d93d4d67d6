import { language } from './settings.ts'

const integers = new Intl.NumberFormat('en')

/** `118,432` */
export const whole = (count: number): string => integers.format(Math.round(count))

/** Three digits below 100 s, then `2 m 05`. */
export function seconds(ms: number): string {
  const value = ms / 1000
  if (value < 9.995) return value.toFixed(2)
  if (value < 99.95) return value.toFixed(1)
  const all = Math.round(value)
  if (all < 3600) return `${Math.floor(all / 60)} m ${two(all % 60)}`
  return `${Math.floor(all / 3600)} h ${two(Math.floor((all % 3600) / 60))}`
}

/** With its unit; `seconds` writes minutes with theirs. */
export const secondsLong = (ms: number): string => (ms < 99_950 ? `${seconds(ms)} s` : seconds(ms))

/** As in the waterfall: milliseconds below one second. */
export const span = (ms: number): string =>
  ms < 999.5 ? `${ms < 10 ? trimmed(ms, 1) : Math.round(ms)} ms` : secondsLong(ms)

const trimmed = (value: number, digits: number): string => String(Number(value.toFixed(digits)))

/** K and M from 10,000 on. */
export function short(count: number): string {
  if (count < 10_000) return whole(count)
  if (count < 999_500) return `${threeDigits(count / 1e3)}K`
  if (count < 999.5e6) return `${threeDigits(count / 1e6)}M`
  return `${threeDigits(count / 1e9)}G`
}

const threeDigits = (value: number): string => (value < 10 ? trimmed(value, 1) : String(Math.round(value)))

/** `1.50`; below ten cents two significant digits, as in `0.0042`. */
export function dollars(usd: number): string {
  if (usd === 0) return '0'
  if (usd >= 0.1) return usd.toFixed(2)
  return usd.toFixed(Math.min(8, 1 - Math.floor(Math.log10(usd))))
}

export const creditsOf = (credits: number): string => (credits < 100 ? credits.toFixed(1) : whole(credits))

export function percent(part: number, all: number): string {
  if (all <= 0) return '0'
  const share = (100 * part) / all
  return share > 0 && share < 0.95 ? share.toFixed(1) : String(Math.round(share))
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`
  if (count < 999_500) return `${threeDigits(count / 1e3)} KB`
  return count < 999.5e6 ? `${threeDigits(count / 1e6)} MB` : `${threeDigits(count / 1e9)} GB`
}

const two = (value: number): string => String(value).padStart(2, '0')

/** `15:42:14` */
export function clockTime(at: number, withSeconds = true): string {
  const date = new Date(at)
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`
  return withSeconds ? `${time}:${two(date.getSeconds())}` : time
}

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
const weekdays = { en: 'Sun Mon Tue Wed Thu Fri Sat'.split(' '), zh: '周日 周一 周二 周三 周四 周五 周六'.split(' ') }

/** `26 Nov`, `11 月 26 日` */
export function day(at: number): string {
  const date = new Date(at)
  if (language.value === 'zh') return `${date.getMonth() + 1} 月 ${date.getDate()} 日`
  return `${date.getDate()} ${months[date.getMonth()]}`
}

/** With the weekday within a week, with the day beyond; today only the time. */
export function moment(at: number, now: number, withSeconds = false): string {
  const time = clockTime(at, withSeconds)
  if (new Date(at).toDateString() === new Date(now).toDateString()) return time
  const near = Math.abs(at - now) < 6 * 86_400_000
  return `${near ? weekdays[language.value][new Date(at).getDay()] : day(at)} ${time}`
}

/** How long until or since: `47 s`, `26 m`, `1 h 26 m`, `3 d`. */
export function rough(ms: number): string {
  const zh = language.value === 'zh'
  const [s, m, h, d] = zh ? ['秒', '分', '小时', '天'] : ['s', 'm', 'h', 'd']
  const all = Math.max(0, Math.round(ms / 1000))
  if (all < 100) return `${all} ${s}`
  const minutes = Math.round(all / 60)
  if (minutes < 60) return `${minutes} ${m}`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 ? `${hours} ${h} ${minutes % 60} ${m}` : `${hours} ${h}`
  return `${Math.round(hours / 24)} ${d}`
}
