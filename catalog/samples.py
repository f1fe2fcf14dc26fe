"""The sample pujas that `seed_catalog` puts into the shop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SamplePackage:
    """One package; `price_paise` is integer paise."""

    name: str
    price_paise: int
    description: str


@dataclass(frozen=True, slots=True)
class SamplePuja:
    """One puja with its packages; `capacity` is how many priests (or groups of them) can begin at one time."""

    slug: str
    name: str
    summary: str
    description: str
    duration_minutes: int
    capacity: int
    packages: tuple[SamplePackage, ...]


SAMPLES = (
    SamplePuja(
        "ganesh-puja",
        "Ganesh Puja",
        "Ask Lord Ganesha to clear the way before something new begins.",
        "Ganesh Puja is performed before a new venture, an exam, a journey or a wedding. The priest invokes Lord"
        " Ganesha with durva grass, red flowers and modak, recites the Ganapati Atharvashirsha and closes with"
        " the aarti. The priest brings what is listed in the package; you only keep a clean place ready.",
        75,
        8,
        (
            SamplePackage("Essential", 149900, "One priest, sankalp in the family's name, puja and aarti."),
            SamplePackage("Family", 299900, "As Essential, with all samagri, flowers and 21 modak."),
            SamplePackage("With havan", 549900, "Two priests, Ganapati havan, samagri, flowers and prasad."),
        ),
    ),
    SamplePuja(
        "satyanarayan-katha",
        "Satyanarayan Katha",
        "The story of Lord Satyanarayan, read at home with family and neighbours.",
        "The five chapters of the Satyanarayan Katha are read on a full-moon day or on any happy occasion: a"
        " birthday, an anniversary, a vow fulfilled. The katha is followed by aarti and panjiri prasad, which is"
        " shared with everyone present.",
        120,
        5,
        (
            SamplePackage("Essential", 210000, "One priest, the katha in Hindi, aarti."),
            SamplePackage("Complete", 350000, "As Essential, with samagri, fruit, panchamrit and prasad."),
        ),
    ),
    SamplePuja(
        "griha-pravesh",
        "Griha Pravesh",
        "Enter a new home with its first lamp, its first fire and a blessing.",
        "Before the first night in a new home the threshold is worshipped, the kalash is carried in and milk is"
        " boiled over. Ganesh, Vastu and Navagraha are worshipped, and a havan purifies the rooms. Please have"
        " the muhurat confirmed before you choose the date.",
        180,
        4,
        (
            SamplePackage("Essential", 510000, "One priest, threshold puja, Ganesh and Vastu puja."),
            SamplePackage("Complete", 890000, "Two priests, havan, all samagri, kalash and flowers."),
            SamplePackage(
                "Grand", 1510000, "Four priests, Vastu Shanti with full havan, garlands, prasad for 25."
            ),
        ),
    ),
    SamplePuja(
        "rudrabhishek",
        "Rudrabhishek",
        "Abhishek of the Shivling with milk, honey and the Sri Rudram.",
        "The priests bathe the Shivling with milk, curd, ghee, honey and Ganga water while the Sri Rudram is"
        " chanted. It is performed for health and peace of mind, above all on Mondays, in Shravan and on Pradosh.",
        105,
        4,
        (
            SamplePackage("Laghu", 310000, "One priest, a Parthiv Shivling, one recitation."),
            SamplePackage(
                "Ekadash", 710000, "Three priests, eleven recitations, all samagri and bel leaves."
            ),
        ),
    ),
    SamplePuja(
        "lakshmi-puja",
        "Lakshmi Puja",
        "Welcome Goddess Lakshmi to the home or the new account books.",
        "Lakshmi and Ganesha are worshipped together with lotus flowers, rice and lamps; the Sri Suktam is"
        " recited. It is performed on Diwali, on Fridays and when a shop or office opens. Account books and keys"
        " may be blessed as well.",
        90,
        6,
        (
            SamplePackage("Essential", 199900, "One priest, Lakshmi-Ganesh puja, Sri Suktam and aarti."),
            SamplePackage(
                "Shop and office", 399900, "As Essential, with samagri and the blessing of the books."
            ),
        ),
    ),
    SamplePuja(
        "navagraha-shanti",
        "Navagraha Shanti",
        "Peace with the nine planets, by mantra, grain and fire.",
        "Each of the nine planets receives its mantra, its grain and its colour, followed by a havan. Bring the"
        " time and place of birth when the puja is for one person; the priest calls you the day before.",
        150,
        3,
        (
            SamplePackage("Essential", 410000, "One priest, Navagraha puja and nine rounds of japa."),
            SamplePackage("Complete", 750000, "Two priests, havan with nine woods, all samagri."),
            SamplePackage("With japa of 11,000", 2100000, "Four priests, japa over one day, havan, prasad."),
        ),
    ),
    SamplePuja(
        "saraswati-puja",
        "Saraswati Puja",
        "For learning: books, instruments and a child's first letters.",
        "Goddess Saraswati is worshipped with white and yellow flowers; books, pens and instruments rest at her"
        " feet. A child's first letters (Vidyarambh) can be written with the priest on the same day.",
        60,
        6,
        (
            SamplePackage("Essential", 129900, "One priest, puja and aarti."),
            SamplePackage(
                "With Vidyarambh", 229900, "As Essential, with slate, samagri and the first letters."
            ),
        ),
    ),
    SamplePuja(
        "namkaran",
        "Namkaran",
        "A name for the child, whispered by the family and blessed by fire.",
        "On the eleventh or twelfth day, or on any auspicious day after it, the child receives its name. Ganesh"
        " and the family's deities are worshipped, the name is written in rice and whispered into the child's"
        " ear, and a small havan closes the ceremony.",
        75,
        5,
        (
            SamplePackage("Essential", 179900, "One priest, puja, naming and aarti."),
            SamplePackage("With havan", 329900, "As Essential, with havan, samagri and prasad."),
        ),
    ),
    SamplePuja(
        "sundarkand-path",
        "Sundarkand Path",
        "Hanuman's journey to Lanka, sung with harmonium and dholak.",
        "The Sundarkand of the Ramcharitmanas is sung from beginning to end, followed by the Hanuman Chalisa and"
        " the aarti. Everybody may sing along; we bring the books. Tuesdays and Saturdays are most asked for.",
        150,
        2,
        (
            SamplePackage("Essential", 250000, "One priest, the whole path, Hanuman Chalisa and aarti."),
            SamplePackage("With music", 610000, "Two singers, harmonium and dholak, samagri, boondi prasad."),
        ),
    ),
)
