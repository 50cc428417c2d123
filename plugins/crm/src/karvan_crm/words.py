"""The word lists of which demo records are made, one `Words` per language.

Names are pairs of the native spelling and a Latin one for addresses. Everything is invented; a match with
a real person or company is chance.
"""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A city with what belongs to it; `area` is its dialling code."""

    country: str
    city: str
    area: str


@dataclass(frozen=True, kw_only=True)
class Words:
    """The vocabulary of one language.

    `company` is filled with `{word}`, `{kind}` and `{city}`; `full_name` with `{first}` and `{last}`. A
    person takes a surname by the number of the given name's list (Russian surnames have a gender).
    `phone` is filled with `{area}` and the digits `{n}`, `mobile` likewise and may be empty.
    """

    company: str
    words: tuple[Pair, ...]
    kinds: tuple[tuple[str, str], ...]
    first: tuple[tuple[Pair, ...], ...]
    last: tuple[tuple[Pair, ...], ...]
    full_name: str
    places: tuple[Place, ...]
    phone: str
    mobile: str
    street: str
    streets: tuple[str, ...]
    titles: tuple[str, ...]
    topics: tuple[str, ...]
    steps: tuple[str, ...]
    about: tuple[str, ...]
    enquiries: tuple[str, ...]
    calls: tuple[str, ...]
    meetings: tuple[str, ...]
    tasks: tuple[str, ...]
    mails: tuple[str, ...]
    notes: tuple[str, ...]
    outcomes: tuple[str, ...]


def _latin(text: str) -> tuple[Pair, ...]:
    return tuple((word, word.lower()) for word in text.split())


def _pairs(text: str) -> tuple[Pair, ...]:
    words = text.split()
    return tuple(zip(words[::2], words[1::2], strict=True))


def _feminine(surnames: tuple[Pair, ...]) -> tuple[Pair, ...]:
    return tuple((native + "а", latin + "a") for native, latin in surnames)


_RUSSIAN_SURNAMES = _pairs(
    "Антонов antonov Белов belov Власов vlasov Громов gromov Дроздов drozdov Ершов ershov Жуков zhukov "
    "Зимин zimin Калинин kalinin Лапин lapin Макаров makarov Никитин nikitin Орлов orlov Панин panin "
    "Рябов ryabov Савин savin Тихонов tikhonov Уваров uvarov Фомин fomin Шилов shilov"
)
_PERSIAN_SURNAMES = _pairs(
    "احمدی ahmadi باقری bagheri پارسا parsa توکلی tavakoli جعفری jafari حسینی hosseini خسروی khosravi "
    "داوودی davoudi رستمی rostami زمانی zamani سلیمانی soleimani شریفی sharifi صادقی sadeghi طاهری taheri "
    "فرهادی farhadi قاسمی ghasemi کاظمی kazemi مرادی moradi نوری nouri یزدانی yazdani"
)
_CHINESE_SURNAMES = _pairs(
    "王 wang 李 li 张 zhang 刘 liu 陈 chen 杨 yang 赵 zhao 黄 huang 周 zhou 吴 wu 徐 xu 孙 sun 胡 hu 朱 zhu "
    "高 gao 林 lin 何 he 郭 guo 马 ma 罗 luo"
)
_ENGLISH_SURNAMES = _latin(
    "Abbott Barlow Carver Dalton Ellison Fairchild Garner Holloway Ingram Jarvis Kendall Lockwood Mercer "
    "Norwood Osborne Pemberton Quinn Radcliffe Sherwood Thornton Underhill Vaughn Whitaker Yardley"
)

ENGLISH = Words(
    company="{word} {kind}",
    words=_latin(
        "Harbor Northgate Silverline Redwood Bluestone Meridian Oakridge Summit Riverbend Brightwater "
        "Ironwood Cobalt Lakeshore Sterling Falcon Evergreen Granite Horizon Juniper Keystone Lantern "
        "Maplewood Pinecrest Westbrook Aspen Beacon Copperfield Driftwood Eastgate Fairview"
    ),
    kinds=(
        ("Logistics", "logistics"), ("Software", "technology"), ("Foods", "food"), ("Energy", "energy"),
        ("Clinics", "healthcare"), ("Builders", "construction"), ("Insurance", "insurance"),
        ("Media", "media"), ("Motors", "automotive"), ("Consulting", "consulting"), ("Stores", "retail"),
        ("Works", "manufacturing"),
    ),
    first=(
        _latin("James Oliver Henry Samuel Lucas Nathan Adrian Victor Marcus Felix Grant Simon"),
        _latin("Emma Alice Clara Grace Hannah Julia Laura Megan Naomi Olivia Rachel Sophie"),
    ),
    last=(_ENGLISH_SURNAMES, _ENGLISH_SURNAMES),
    full_name="{first} {last}",
    places=(
        Place(country="United States", city="New York", area="1 212"),
        Place(country="United States", city="Chicago", area="1 312"),
        Place(country="United States", city="Seattle", area="1 206"),
        Place(country="United States", city="Boston", area="1 617"),
        Place(country="United States", city="Denver", area="1 303"),
        Place(country="United States", city="Atlanta", area="1 404"),
    ),
    phone="+{area} 555 01{n:02d}",
    mobile="+{area} 555 01{n:02d}",
    street="{number} {street}",
    streets=("Main Street", "Market Street", "Park Avenue", "Lake Road", "Mill Lane", "Station Road"),
    titles=("Purchasing Manager", "Sales Director", "Chief Executive", "IT Manager", "Head of Operations",
            "Accountant", "Marketing Manager", "Office Manager"),
    topics=("annual supply", "pilot project", "support contract", "equipment upgrade", "staff training",
            "new warehouse", "licence extension", "website relaunch"),
    steps=("Send the offer", "Call the decision maker", "Arrange a demonstration", "Agree on the terms",
           "Wait for the budget", "Send the contract"),
    about=("Customer since the first trade fair; prefers to be called in the morning.",
           "Interested in long-term supply; compares three vendors.",
           "Decides twice a year, in spring and in autumn.",
           "Pays on time; asks for a discount on larger orders."),
    enquiries=("Asks for a price list.", "Wants a demonstration next week.",
               "Read about us and asks for references.", "Needs an offer for twenty workplaces."),
    calls=("Call about the offer", "Introductory call", "Call back about the terms", "Ask for feedback"),
    meetings=("Product demonstration", "Meeting at their office", "Contract talk", "Quarterly review"),
    tasks=("Prepare the offer", "Send the price list", "Check the contract", "Update the contact data"),
    mails=("Offer sent", "Answer to their questions", "Reminder about the invoice", "Thanks for the meeting"),
    notes=("Notes from the talk", "Wishes of the customer", "Who decides there",
           "What the competitor offers"),
    outcomes=("Went well; they want to go on.", "Nobody was there, try again.",
              "They asked for two more days.", "Agreed on the next step."),
)  # fmt: skip

RUSSIAN = Words(
    company="ООО «{word} {kind}»",
    words=_pairs(
        "Северный severny Южный yuzhny Восточный vostochny Уральский uralsky Волжский volzhsky "
        "Сибирский sibirsky Балтийский baltiysky Невский nevsky Камский kamsky Донской donskoy "
        "Первый pervy Новый novy Большой bolshoy Надёжный nadezhny Быстрый bystry Русский russky "
        "Городской gorodskoy Центральный tsentralny Золотой zolotoy Зелёный zeleny"
    ),
    kinds=(
        ("Транзит", "logistics"), ("Софт", "technology"), ("Хлеб", "food"), ("Свет", "energy"),
        ("Доктор", "healthcare"), ("Дом", "construction"), ("Полис", "insurance"), ("Вестник", "media"),
        ("Мотор", "automotive"), ("Консультант", "consulting"), ("Магазин", "retail"),
        ("Станок", "manufacturing"),
    ),
    first=(
        _pairs("Алексей alexey Борис boris Виктор viktor Григорий grigory Дмитрий dmitry Егор egor Иван ivan "
               "Кирилл kirill Максим maxim Николай nikolay Павел pavel Сергей sergey"),
        _pairs("Анна anna Вера vera Галина galina Дарья darya Елена elena Ирина irina Ксения ksenia "
               "Людмила lyudmila Мария maria Наталья natalya Ольга olga Татьяна tatyana"),
    ),
    last=(_RUSSIAN_SURNAMES, _feminine(_RUSSIAN_SURNAMES)),
    full_name="{first} {last}",
    places=(
        Place(country="Россия", city="Москва", area="7 495"),
        Place(country="Россия", city="Санкт-Петербург", area="7 812"),
        Place(country="Россия", city="Екатеринбург", area="7 343"),
        Place(country="Россия", city="Казань", area="7 843"),
        Place(country="Россия", city="Новосибирск", area="7 383"),
        Place(country="Россия", city="Самара", area="7 846"),
    ),
    phone="+{area} 000-{n:02d}-{m:02d}",
    mobile="",
    street="{street}, {number}",
    streets=("ул. Садовая", "ул. Лесная", "пр. Мира", "ул. Заводская", "Набережная ул.", "ул. Школьная"),
    titles=("Менеджер по закупкам", "Коммерческий директор", "Генеральный директор", "Руководитель ИТ",
            "Директор по производству", "Главный бухгалтер", "Маркетолог", "Офис-менеджер"),
    topics=("годовая поставка", "пилотный проект", "договор поддержки", "обновление оборудования",
            "обучение сотрудников", "новый склад", "продление лицензий", "новый сайт"),
    steps=("Отправить предложение", "Позвонить директору", "Договориться о показе", "Согласовать условия",
           "Дождаться бюджета", "Отправить договор"),
    about=("Работаем с первой выставки; звонить лучше утром.",
           "Интересуются постоянными поставками, сравнивают трёх поставщиков.",
           "Решают дважды в год, весной и осенью.",
           "Платят вовремя; на большие заказы просят скидку."),
    enquiries=("Просит прайс-лист.", "Хочет показ на следующей неделе.",
               "Читал о нас, просит отзывы клиентов.", "Нужно предложение на двадцать рабочих мест."),
    calls=("Звонок по предложению", "Первый звонок", "Перезвонить по условиям", "Узнать мнение"),
    meetings=("Показ продукта", "Встреча у клиента", "Обсуждение договора", "Итоги квартала"),
    tasks=("Подготовить предложение", "Отправить прайс-лист", "Проверить договор", "Уточнить контакты"),
    mails=("Предложение отправлено", "Ответ на вопросы", "Напоминание о счёте", "Спасибо за встречу"),
    notes=("Запись разговора", "Пожелания клиента", "Кто принимает решение", "Что предлагает конкурент"),
    outcomes=("Хорошо поговорили, хотят продолжить.", "Никого не было, повторить.",
              "Попросили ещё два дня.", "Договорились о следующем шаге."),
)  # fmt: skip

PERSIAN = Words(
    company="{kind} {word}",
    words=_pairs(
        "آریا arya البرز alborz پارس pars دماوند damavand زاگرس zagros کاوه kaveh کویر kavir خزر khazar "
        "نیک nik سپهر sepehr ستاره setareh آفتاب aftab مهر mehr نوین novin پیشرو pishro آرمان arman "
        "سروش soroush ایلیا ilia کیان kian پویا pouya"
    ),
    kinds=(
        ("حمل‌ونقل", "logistics"), ("نرم‌افزار", "technology"), ("صنایع غذایی", "food"),
        ("انرژی", "energy"), ("درمانگاه", "healthcare"), ("ساختمان‌سازی", "construction"),
        ("بیمهٔ", "insurance"), ("رسانهٔ", "media"), ("خودروسازی", "automotive"),
        ("مشاوران", "consulting"), ("فروشگاه", "retail"), ("صنایع", "manufacturing"),
    ),
    first=(
        _pairs("علی ali رضا reza حمید hamid مهدی mahdi امیر amir سعید saeed بهرام bahram فرهاد farhad "
               "کامران kamran نیما nima آرش arash بابک babak"),
        _pairs("مریم maryam زهرا zahra سارا sara نرگس narges لیلا leila پریسا parisa شیرین shirin "
               "مینا mina نازنین nazanin الهام elham سمیرا samira فرزانه farzaneh"),
    ),
    last=(_PERSIAN_SURNAMES, _PERSIAN_SURNAMES),
    full_name="{first} {last}",
    places=(
        Place(country="ایران", city="تهران", area="98 21"),
        Place(country="ایران", city="اصفهان", area="98 31"),
        Place(country="ایران", city="شیراز", area="98 71"),
        Place(country="ایران", city="مشهد", area="98 51"),
        Place(country="ایران", city="تبریز", area="98 41"),
        Place(country="ایران", city="کرج", area="98 26"),
    ),
    phone="+{area} 0000 {n:02d}{m:02d}",
    mobile="",
    street="{street}، پلاک {number}",
    streets=("خیابان آزادی", "خیابان بهار", "بلوار کشاورز", "خیابان گلستان", "خیابان دانشگاه", "بلوار ساحلی"),
    titles=("مدیر خرید", "مدیر فروش", "مدیرعامل", "مدیر فناوری اطلاعات", "مدیر تولید", "حسابدار",
            "مدیر بازاریابی", "مسئول دفتر"),
    topics=("تأمین سالانه", "پروژهٔ آزمایشی", "قرارداد پشتیبانی", "نوسازی تجهیزات", "آموزش کارکنان",
            "انبار تازه", "تمدید مجوزها", "وب‌سایت تازه"),
    steps=("ارسال پیشنهاد", "تماس با مدیرعامل", "هماهنگی نمایش محصول", "توافق بر سر شرایط",
           "انتظار برای بودجه", "ارسال قرارداد"),
    about=("از نخستین نمایشگاه مشتری ماست؛ صبح‌ها تماس بگیرید.",
           "به تأمین بلندمدت علاقه دارد و سه فروشنده را مقایسه می‌کند.",
           "سالی دو بار، بهار و پاییز، تصمیم می‌گیرد.",
           "به‌موقع پرداخت می‌کند؛ برای سفارش بزرگ تخفیف می‌خواهد."),
    enquiries=("فهرست قیمت می‌خواهد.", "هفتهٔ آینده نمایش محصول می‌خواهد.",
               "دربارهٔ ما خوانده و نمونهٔ کار می‌خواهد.", "برای بیست کاربر پیشنهاد قیمت لازم دارد."),
    calls=("تماس دربارهٔ پیشنهاد", "تماس معرفی", "تماس دوباره دربارهٔ شرایط", "پرسیدن نظر مشتری"),
    meetings=("نمایش محصول", "جلسه در دفتر مشتری", "گفت‌وگوی قرارداد", "بازبینی فصل"),
    tasks=("آماده‌کردن پیشنهاد", "ارسال فهرست قیمت", "بررسی قرارداد", "به‌روزرسانی اطلاعات تماس"),
    mails=("پیشنهاد ارسال شد", "پاسخ به پرسش‌ها", "یادآوری صورت‌حساب", "سپاس برای جلسه"),
    notes=("یادداشت گفت‌وگو", "خواسته‌های مشتری", "چه کسی تصمیم می‌گیرد", "پیشنهاد رقیب"),
    outcomes=("خوب بود؛ می‌خواهند ادامه دهند.", "کسی نبود، دوباره تلاش شود.", "دو روز دیگر فرصت خواستند.",
              "بر سر گام بعدی توافق شد."),
)  # fmt: skip

CHINESE = Words(
    company="{city}{word}{kind}有限公司",
    words=_pairs(
        "华兴 huaxing 东方 dongfang 金泰 jintai 恒达 hengda 瑞丰 ruifeng 天成 tiancheng 远洋 yuanyang "
        "宏图 hongtu 嘉禾 jiahe 新阳 xinyang 盛世 shengshi 明德 mingde 安康 ankang 长青 changqing "
        "四海 sihai 博雅 boya 启航 qihang 福源 fuyuan 正大 zhengda 海蓝 hailan"
    ),
    kinds=(
        ("物流", "logistics"), ("软件", "technology"), ("食品", "food"), ("能源", "energy"),
        ("医疗", "healthcare"), ("建设", "construction"), ("保险代理", "insurance"), ("传媒", "media"),
        ("汽车", "automotive"), ("咨询", "consulting"), ("商贸", "retail"), ("制造", "manufacturing"),
    ),
    first=(
        _pairs("伟 wei 强 qiang 磊 lei 军 jun 勇 yong 杰 jie 涛 tao 明 ming 浩然 haoran 志强 zhiqiang "
               "建国 jianguo 文博 wenbo"),
        _pairs("芳 fang 娜 na 敏 min 静 jing 丽 li 艳 yan 霞 xia 雪 xue 晓燕 xiaoyan 秀英 xiuying "
               "雨桐 yutong 思琪 siqi"),
    ),
    last=(_CHINESE_SURNAMES, _CHINESE_SURNAMES),
    full_name="{last}{first}",
    places=(
        Place(country="中国", city="北京", area="86 10"),
        Place(country="中国", city="上海", area="86 21"),
        Place(country="中国", city="广州", area="86 20"),
        Place(country="中国", city="成都", area="86 28"),
        Place(country="中国", city="武汉", area="86 27"),
        Place(country="中国", city="西安", area="86 29"),
    ),
    phone="+{area} 0000 {n:02d}{m:02d}",
    mobile="",
    street="{street}{number}号",
    streets=("人民路", "建设路", "中山路", "解放路", "和平路", "文化路"),
    titles=("采购经理", "销售总监", "总经理", "信息部经理", "运营总监", "会计", "市场经理", "行政主管"),
    topics=("年度供货", "试点项目", "维护合同", "设备更新", "员工培训", "新仓库", "许可续期", "网站改版"),
    steps=("发送报价", "致电决策人", "安排产品演示", "商定条款", "等待预算", "寄送合同"),
    about=("自首届展会起合作；建议上午联系。", "有意长期供货，正在比较三家供应商。",
           "每年春秋两季作采购决定。", "付款及时；大额订单会要求折扣。"),
    enquiries=("索取价目表。", "希望下周看演示。", "看到我们的介绍，想了解客户案例。",
               "需要二十个席位的报价。"),
    calls=("就报价致电", "首次电话", "就条款回电", "电话回访"),
    meetings=("产品演示", "上门拜访", "合同洽谈", "季度回顾"),
    tasks=("准备报价", "发送价目表", "审核合同", "更新联系信息"),
    mails=("已发送报价", "答复客户问题", "发票提醒", "感谢会面"),
    notes=("谈话记录", "客户需求", "谁是决策人", "竞争对手报价"),
    outcomes=("沟通顺利，愿意继续。", "无人接听，稍后再试。", "对方要求再等两天。", "已约定下一步。"),
)  # fmt: skip

ALL = (ENGLISH, RUSSIAN, PERSIAN, CHINESE)
